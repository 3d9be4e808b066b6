#include "server/explanation.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"
#include "engine/load_words.h"
#include "engine/match_words.h"

namespace cairn {
namespace {

// What it adds to a text, a leading blank too; bytes that are no whole character as U+FFFD.
boost::json::object token_json(TokenId token, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_text(token);
  std::string text;
  if (take_utf8(bytes, text) < bytes.size()) append_utf8(text, kReplacementCharacter);
  return {{"token", token}, {"text", text}};
}

}  // namespace

std::string_view match_end_name(KvMatchEnd end) {
  switch (end) {
    case KvMatchEnd::kNotShared: return "not_shared";
    case KvMatchEnd::kComplete: return "complete";
    case KvMatchEnd::kShorterThanBlock: return "shorter_than_block";
    case KvMatchEnd::kNothingKnown: return "nothing_known";
    case KvMatchEnd::kTokensDiffer: return "tokens_differ";
    case KvMatchEnd::kEvicted: return "evicted";
    case KvMatchEnd::kOutOfWindow: return "out_of_window";
    case KvMatchEnd::kOwnRows: return "own_rows";
  }
  CHECK(false);
  return {};
}

namespace {

std::string_view cause_name(const KvMatchReport& report) {
  return report.is_evicted_by_quota ? "quota" : "memory";
}

// Where tenants share, the block may have counted for another one.
bool tells_cause(const ExplanationPlace& place) {
  return place.known_text == KnownText::kShown || place.pressure == Pressure::kShown;
}

// Without what may be others'.
std::string cautious_words(const KvMatchReport& report, const ExplanationPlace& place) {
  if (report.end == KvMatchEnd::kTokensDiffer) {
    return match_text(report,
                      fmt::format("the nearest known text differs at position {}", report.differs_at));
  }
  if (!tells_cause(place)) return match_text(report, "the next block was evicted");
  return match_text(report, report.is_evicted_by_quota
                                ? "the next block was evicted, to keep within the quota of its tenant"
                                : "the next block was evicted, when memory was needed");
}

boost::json::object eviction_json(const KvMatchReport& report, const ExplanationPlace& place) {
  boost::json::object evicted;
  if (tells_cause(place)) evicted["cause"] = cause_name(report);
  if (place.pressure == Pressure::kHidden) return evicted;
  evicted["steps_ago"] = report.evicted_steps_ago;
  evicted["wanted_blocks"] = report.wanted_blocks;
  evicted["idle_blocks"] = report.idle_blocks;
  return evicted;
}

double in_ms(uint64_t ns) { return static_cast<double>(ns) / 1e6; }

boost::json::object load_json(const LoadReport& load) {
  boost::json::object json{{"choice", load_choice_name(load.choice)},
                           {"kept_tokens", load.found_positions},
                           {"estimated_loading_ms", in_ms(load.loading_ns)}};
  if (load.computing_ns > 0) json["estimated_computing_ms"] = in_ms(load.computing_ns);
  if (load.choice != LoadChoice::kLoaded) return json;
  for (const Tier tier : {Tier::kDisk, Tier::kRemote}) {
    json[std::string(tier_name(tier)) + "_tokens"] = load.positions[static_cast<size_t>(tier)];
  }
  json["took_ms"] = in_ms(load.took_ns);
  json["cut_short"] = load.is_cut_short;
  return json;
}

}  // namespace

std::string explanation_words(const KvMatchReport& report, const ExplanationPlace& place) {
  const bool differs = report.end == KvMatchEnd::kTokensDiffer;
  const bool is_hidden = (differs && place.known_text == KnownText::kHidden) ||
                         (report.end == KvMatchEnd::kEvicted && place.pressure == Pressure::kHidden);
  std::string words =
      is_hidden ? cautious_words(report, place) : explain_match(report, place.tokenizer, place.sharing);
  if (differs && place.rewrites_earlier_turns) {
    words +=
        "; the model's chat template writes earlier replies without their reasoning, so a conversation's "
        "prompt differs "
        "from what was generated where its last reply begins";
  }
  return words;
}

boost::json::object explanation_json(const KvMatchReport& report, const ExplanationPlace& place) {
  boost::json::object json{{"prompt_tokens", report.text_positions},
                           {"reused_tokens", report.found_positions + report.load.loaded_positions()},
                           {"reason", match_end_name(report.end)},
                           {"words", explanation_words(report, place)}};
  if (report.end == KvMatchEnd::kTokensDiffer) {
    json["differs_at"] = report.differs_at;
    json["prompt_has"] = token_json(report.wanted_token, place.tokenizer);
    if (place.known_text == KnownText::kShown)
      json["cache_has"] = token_json(report.known_token, place.tokenizer);
    if (place.rewrites_earlier_turns) json["rewrites_earlier_turns"] = true;
  }
  if (report.end == KvMatchEnd::kEvicted) json["evicted"] = eviction_json(report, place);
  if (report.load.choice != LoadChoice::kNone) json["tiers"] = load_json(report.load);
  return json;
}

}  // namespace cairn
