#include "engine/token_constraint.h"

#include <algorithm>
#include <utility>

namespace cairn {

GuideConstraint::GuideConstraint(std::shared_ptr<const Guide> guide, std::vector<TokenId> extra_end_tokens)
    : walk_(std::move(guide)), extra_end_tokens_(std::move(extra_end_tokens)) {}

void GuideConstraint::restrict(TokenMask& allowed, int64_t remaining) {
  walk_.restrict(allowed, remaining);
  if (walk_.is_lost() && !walk_.must_not_end()) return;
  const bool may_end = walk_.may_end();
  for (const TokenId token : extra_end_tokens_) {
    if (may_end) {
      allowed.allow(token);
    } else {
      allowed.forbid(token);
    }
  }
}

void GuideConstraint::take(TokenId token) {
  // It ends the reply, and nothing comes after it.
  if (std::ranges::find(extra_end_tokens_, token) != extra_end_tokens_.end() && walk_.may_end()) return;
  walk_.take(token);
}

}  // namespace cairn
