// Why a prompt was processed again: what a request's match with the cache says, in words and as JSON. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "cairn/prefix_sharing.h"
#include "kv/match_report.h"
#include "text/tokenizer.h"

namespace cairn {

// Whether the text of what the cache knew may be shown: only where it can be nobody's but the tenant's own.
enum class KnownText : uint8_t { kShown, kHidden };
// Whether it may be told in numbers what pressed a block out, and how many steps ago: that is how much others ask for, and what
// the server has done for them since.
enum class Pressure : uint8_t { kShown, kHidden };

struct ExplanationPlace {
  const Tokenizer& tokenizer;
  PrefixSharing sharing = PrefixSharing::kOn;
  KnownText known_text = KnownText::kShown;
  Pressure pressure = Pressure::kShown;
  // The chat template writes earlier turns otherwise than they were generated (it leaves their reasoning out), and the
  // prompt has such turns.
  bool rewrites_earlier_turns = false;
};

// One sentence: how much was found, and why no more.
[[nodiscard]] std::string explanation_words(const KvMatchReport& report, const ExplanationPlace& place);

// {"prompt_tokens", "reused_tokens", "reason", "words"}; where tokens differ also "differs_at", and "prompt_has" and
// "cache_has" as {"token", "text"}; where a block was evicted "evicted": its "cause", "quota" (of the tenant) or "memory",
// unless the block may have been another tenant's; and where numbers may be shown {"steps_ago", "wanted_blocks", "idle_blocks"}.
// Where a disk or a remote store had more, or was asked, "tiers": its "choice", "kept_tokens", "estimated_loading_ms" and, once a
// prompt was computed, "estimated_computing_ms"; of what was loaded "disk_tokens", "remote_tokens", "took_ms", "cut_short".
[[nodiscard]] boost::json::object explanation_json(const KvMatchReport& report,
                                                   const ExplanationPlace& place);

// "complete", "tokens_differ", "evicted" ...: KvMatchEnd for programs.
[[nodiscard]] std::string_view match_end_name(KvMatchEnd end);

}  // namespace cairn
