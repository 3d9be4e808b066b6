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
inline constexpr int64_t kLookupReach = int64_t{1} << 14;

// Fills `draft`, and returns how many of the last tokens stood where it was found: of all places the one that agrees
// with most of them, of several the last. A draft that reaches the end of the text goes on with itself, so that what
// repeats is found at once. 0: there is no such place, and `draft` means nothing.
[[nodiscard]] int64_t look_up(std::span<const TokenId> text, std::span<TokenId> draft);

class PromptLookup final : public Drafter {
 public:
  [[nodiscard]] std::string_view name() const override { return "lookup"; }
  void look(std::span<DraftAsk> asks) override;
};

}  // namespace cairn
