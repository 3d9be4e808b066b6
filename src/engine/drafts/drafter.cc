#include "engine/drafts/drafter.h"

#include "engine/drafts/prompt_lookup.h"

namespace cairn {

std::shared_ptr<Drafter> make_drafter(Speculation speculation) {
  switch (speculation) {
    case Speculation::kOff: return nullptr;
    case Speculation::kPromptLookup: return std::make_shared<PromptLookup>();
  }
  return nullptr;
}

}  // namespace cairn
