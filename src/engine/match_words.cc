#include "engine/match_words.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/printable.h"
#include "engine/load_words.h"
#include "kernels/codecs/kv_codec.h"

namespace cairn {
namespace {

constexpr size_t kLongestPiece = 40;  // characters of a token's text; most have a few

std::string piece(TokenId token, const Tokenizer& tokenizer) {
  return fmt::format("'{}' ({})", printable(tokenizer.token_text(token), kLongestPiece), token);
}

// "1 block", "2 blocks".
std::string counted(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string unknown_text(const KvMatchReport& report) {
  if (report.found_positions == 0) return "no known text begins as it does";
  return fmt::format("no known text goes on as it does from position {}", report.found_positions);
}

std::string difference_text(const KvMatchReport& report, const Tokenizer& tokenizer) {
  return fmt::format("the nearest known text differs at position {}: {} there, {} in this prompt",
                     report.differs_at, piece(report.known_token, tokenizer),
                     piece(report.wanted_token, tokenizer));
}

std::string eviction_text(const KvMatchReport& report) {
  if (report.is_evicted_by_quota) {
    return fmt::format("the next block was evicted {} ago, to keep within the quota of its tenant",
                       counted(report.evicted_steps_ago, "step"));
  }
  return fmt::format("the next block was evicted {} ago, when {} {} needed and {} idle",
                     counted(report.evicted_steps_ago, "step"), counted(report.wanted_blocks, "block"),
                     report.wanted_blocks == 1 ? "was" : "were",
                     report.idle_blocks == 1 ? "1 was" : fmt::format("{} were", report.idle_blocks));
}

std::string window_text(const KvMatchReport& report) {
  const std::string place =
      report.found_positions == 0
          ? "there is no place in it that they can go on from"
          : fmt::format("the last place that they can go on from is position {}", report.found_positions);
  return fmt::format(
      "this text is known up to position {}, but layers with a window have let go of rows that they need to "
      "go on from there; {}",
      report.known_positions, place);
}

constexpr std::string_view kSharesNothing =
    "this cache shares no prefixes (`prefix_sharing`, or a `storage` other than paged)";

std::string own_rows_text(const KvMatchReport& report, PrefixSharing sharing) {
  const bool shares = sharing == PrefixSharing::kOn;
  if (report.found_positions == 0) {
    return fmt::format("the conversation's own rows differ from the first token on, and {}",
                       shares ? "no shared block begins as it does" : kSharesNothing);
  }
  std::string text =
      fmt::format("they are rows of this conversation, or of the request it was forked from; {}",
                  shares ? "no shared block goes further" : kSharesNothing);
  const int64_t lost = report.known_positions - report.found_positions;
  if (lost >= kBlockSize) {
    text += fmt::format(
        "; {} more are known, but layers with a window have let go of rows that they need to go on "
        "there",
        lost);
  }
  return text;
}

std::string reason_text(const KvMatchReport& report, const Tokenizer& tokenizer, PrefixSharing sharing) {
  switch (report.end) {
    case KvMatchEnd::kNotShared: return std::string(kSharesNothing);
    case KvMatchEnd::kComplete: return "that is every full block before the last token, which always runs";
    case KvMatchEnd::kShorterThanBlock:
      return fmt::format("what is kept is found by full blocks of {} tokens, and the rest is less than one",
                         kBlockSize);
    case KvMatchEnd::kNothingKnown: return unknown_text(report);
    case KvMatchEnd::kTokensDiffer: return difference_text(report, tokenizer);
    case KvMatchEnd::kEvicted: return eviction_text(report);
    case KvMatchEnd::kOutOfWindow: return window_text(report);
    case KvMatchEnd::kOwnRows: return own_rows_text(report, sharing);
  }
  CHECK(false);
  return {};
}

}  // namespace

std::string match_text(const KvMatchReport& report, std::string_view reason) {
  const int64_t loaded = report.load.loaded_positions();
  std::string outside = loaded > 0 ? fmt::format(", {} of them outside memory;", loaded) : ";";
  if (loaded > 0 && report.end != KvMatchEnd::kComplete) outside += " in memory";
  std::string text = fmt::format("cache: {} of {} prompt tokens found{} {}", report.found_positions + loaded,
                                 report.text_positions, outside, reason);
  if (const auto load = explain_load(report.load)) text += "; " + *load;
  return text;
}

std::string explain_match(const KvMatchReport& report, const Tokenizer& tokenizer, PrefixSharing sharing) {
  if (report.text_positions == 0) return "cache: the prompt was never looked up";  // it ended before it began
  return match_text(report, reason_text(report, tokenizer, sharing));
}

}  // namespace cairn
