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
// Whether the numbers of what pressed a block out may be shown: they tell how much others ask for.
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
// "cache_has" as {"token", "text"}; where a block was evicted "evicted" as {"steps_ago"}, and {"wanted_blocks", "idle_blocks"} where these may be shown.
[[nodiscard]] boost::json::object explanation_json(const KvMatchReport& report,
                                                   const ExplanationPlace& place);

// "complete", "tokens_differ", "evicted" ...: KvMatchEnd for programs.
[[nodiscard]] std::string_view match_end_name(KvMatchEnd end);

}  // namespace cairn
