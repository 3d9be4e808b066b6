// In words, how much of a prompt was found in the cache, where the match ended, and why: what `explain` prints, and what a
// server answers. Options are named as in LlmOptions, in backquotes. Pure.
#pragma once

#include <string>

#include "cairn/prefix_sharing.h"
#include "kv/match_report.h"
#include "text/tokenizer.h"

namespace cairn {

// Its beginning: "cache: 64 of 100 prompt tokens found; ".
[[nodiscard]] std::string found_text(const KvMatchReport& report);

// One line, without its line end. `sharing`: whether the cache shares prefixes at all.
[[nodiscard]] std::string explain_match(const KvMatchReport& report, const Tokenizer& tokenizer,
                                        PrefixSharing sharing);

}  // namespace cairn
