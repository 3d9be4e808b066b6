#include "cli/match_words.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/printable.h"
#include "kernels/codecs/kv_codec.h"

namespace cairn {
namespace {

constexpr size_t kLongestPiece = 40;  // characters of a token's text; most have a few

std::string piece(TokenId token, const Tokenizer& tokenizer) {
  return fmt::format("'{}' ({})", printable(tokenizer.token_text(token), kLongestPiece), token);
}

std::string found_text(const KvMatchReport& report) {
  if (report.found_positions == 0) {
    return fmt::format("none of the {} prompt tokens was found", report.text_positions);
  }
  return fmt::format("{} of {} prompt tokens were found", report.found_positions, report.text_positions);
}

std::string reason_text(const KvMatchReport& report, const Tokenizer& tokenizer) {
  switch (report.end) {
    case KvMatchEnd::kNotShared: return "sharing is off, so nothing was looked for";
    case KvMatchEnd::kComplete: return "that is every full block before the last token, which always runs";
    case KvMatchEnd::kShorterThanBlock:
      return fmt::format("only full blocks of {} tokens before the last one can be found", kBlockSize);
    case KvMatchEnd::kNothingKnown:
      return fmt::format("no known text goes on at position {}", report.found_positions);
    case KvMatchEnd::kTokensDiffer:
      return fmt::format("the nearest known text differs at position {}: {} there, {} in this prompt",
                         report.differs_at, piece(report.known_token, tokenizer),
                         piece(report.wanted_token, tokenizer));
    case KvMatchEnd::kEvicted:
      return fmt::format(
          "the next block was evicted {} steps ago, when {} blocks were needed and {} were idle",
          report.evicted_steps_ago, report.wanted_blocks, report.idle_blocks);
    case KvMatchEnd::kOwnRows: return "the conversation's own rows reached at least as far, and were used";
  }
  CHECK(false);
  return {};
}

}  // namespace

std::string explain_match(const KvMatchReport& report, const Tokenizer& tokenizer) {
  return fmt::format("cache: {}; {}", found_text(report), reason_text(report, tokenizer));
}

}  // namespace cairn
