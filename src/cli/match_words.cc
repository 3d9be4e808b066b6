#include "cli/match_words.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/printable.h"
#include "cli/output_format.h"
#include "kernels/batch.h"

namespace cairn {
namespace {

constexpr size_t kLongestPiece = 40;  // characters of a token's text; most have a few

std::string piece(TokenId token, const Tokenizer& tokenizer) {
  return fmt::format("'{}' ({})", printable(tokenizer.token_text(token), kLongestPiece), token);
}

std::string found_text(const MatchReport& report) {
  if (report.positions_found == 0) {
    return fmt::format("none of the {} prompt tokens was found", report.positions_wanted);
  }
  return fmt::format("{} of {} prompt tokens were found", report.positions_found, report.positions_wanted);
}

std::string reason_text(const MatchReport& report, const Tokenizer& tokenizer) {
  using End = MatchReport::End;
  switch (report.end) {
    case End::kWholePrompt: return "that is all that can be found, since the last token always runs";
    case End::kShorterThanABlock:
      return fmt::format("only whole blocks of {} tokens before the last one can be found", kBlockSize);
    case End::kTokensDiffer:
      return fmt::format("the nearest known text differs at position {}: {} there, {} in this prompt",
                         report.position, piece(report.known, tokenizer), piece(report.wanted, tokenizer));
    case End::kEvicted:
      return fmt::format("the next block was evicted {} ago, when all {} blocks were in use",
                         human_ns(static_cast<double>(report.evicted_ago_ns)), report.pool_blocks);
    case End::kNothingKnown:
      return fmt::format("no known text goes on at position {}", report.positions_found);
    case End::kSharingOff: return "sharing is off, so nothing was looked for";
  }
  CHECK(false);
  return {};
}

}  // namespace

std::string explain_match(const MatchReport& report, const Tokenizer& tokenizer) {
  return fmt::format("cache: {}; {}", found_text(report), reason_text(report, tokenizer));
}

}  // namespace cairn
