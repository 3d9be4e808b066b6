// Prompt lookup: a draft of what comes next, taken from the text itself. Where the last tokens have stood before, what
// followed them there is likely to follow again: quotations, code that is edited, names, lists (Saxena, "Prompt Lookup
// Decoding", 2023).
//
// Always true: a pure function of the text. Allocates nothing.
#pragma once

#include <cstdint>
#include <span>

#include "engine/drafts/drafter.h"

namespace cairn {

// As many of the last tokens at least, and at most, are looked for; only among so many before them.
inline constexpr int64_t kShortestMatch = 2;
inline constexpr int64_t kLongestMatch = 16;
inline constexpr int64_t kLookupReach = int64_t{1} << 16;

class PromptLookup final : public Drafter {
 public:
  // Of all places the one that agrees with most of the last tokens; of several the last. A draft that reaches the end of
  // the text goes on with itself, so that what repeats is found at once.
  int64_t propose(std::span<const TokenId> text, std::span<TokenId> draft) override;
};

}  // namespace cairn
