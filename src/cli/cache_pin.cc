// cairn cache pin and unpin: a text's blocks are never evicted, or may be again.
#include <fmt/format.h>

#include "cli/cache.h"
#include "cli/cache_places.h"
#include "cli/console.h"

namespace cairn {

Result<ExitCode> run_cache_pin(const CacheOptions& options, Console& console) {
  const bool pins = options.what == CacheOptions::What::kPin;
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_kept_blocks(options, IfAbsent::kRefuse));
  CAIRN_ASSIGN_OR_RETURN(const auto catalogue, read_catalogue(*store, options, console));
  if (!catalogue.has_value()) return ExitCode::kInterrupted;
  CAIRN_ASSIGN_OR_RETURN(const auto texts, wanted_texts(*catalogue, options, console));
  for (const size_t text : texts) {
    const std::vector<size_t> chain = catalogue->chain_of(text);
    const std::vector<size_t> blocks = pins ? chain : catalogue->unpinnable_of(text);
    const std::vector<RecordName> names = record_names(*catalogue, blocks);
    CAIRN_RETURN_IF_ERROR(pins ? store->pin(names) : store->unpin(names));
    std::string words = fmt::format("{} {}", pins ? "pinned" : "unpinned", block_count_text(blocks.size()));
    if (blocks.size() < chain.size()) {
      words +=
          fmt::format("; {} stay pinned for another text", block_count_text(chain.size() - blocks.size()));
    }
    console.write(words + "\n");
  }
  return ExitCode::kDone;
}

}  // namespace cairn
