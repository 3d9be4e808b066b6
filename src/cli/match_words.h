// What --explain prints: how much of a prompt was found in the cache, where the match ended, and why. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/ids.h"
#include "text/tokenizer.h"

namespace cairn {

// How a prompt was matched with what the cache knows.
struct MatchReport {
  enum class End : uint8_t {
    kWholePrompt,        // all that can be found of it was found: the last token always runs
    kShorterThanABlock,  // it has no whole block before its last token
    kTokensDiffer,       // the nearest known text goes on with another token
    kEvicted,            // the next block was known, and has left memory
    kNothingKnown,       // no known text goes on here
    kSharingOff,         // nothing was looked for
  };
  int64_t positions_wanted = 0;  // the prompt's
  int64_t positions_found = 0;
  End end = End::kNothingKnown;
  // kTokensDiffer: the first position that differs, the token known there, and the prompt's own.
  int64_t position = 0;
  TokenId known = 0;
  TokenId wanted = 0;
  // kEvicted: how long ago, and how many blocks the pool has, all of which were in use then.
  uint64_t evicted_ago_ns = 0;
  int64_t pool_blocks = 0;
};

// One line, without its line end.
[[nodiscard]] std::string explain_match(const MatchReport& report, const Tokenizer& tokenizer);

}  // namespace cairn
