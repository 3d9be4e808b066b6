// In words, how much of a prompt was found in the cache, where the match ended, and why: what `explain` prints, and what a
// server answers. Options are named as in LlmOptions, in backquotes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "cairn/prefix_sharing.h"
#include "kv/match_report.h"
#include "text/tokenizer.h"

namespace cairn {

// One line, without its line end. `sharing`: whether the cache shares prefixes at all.
[[nodiscard]] std::string explain_match(const KvMatchReport& report, const Tokenizer& tokenizer,
                                        PrefixSharing sharing);

// The same with a reason of the caller's in place of the report's: how much was found, the reason, and what other tiers had.
[[nodiscard]] std::string match_text(const KvMatchReport& report, std::string_view reason);

}  // namespace cairn
