// The texts that the laws are checked on. For engine/verify only.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/ids.h"
#include "model/model.h"

namespace cairn {

enum class TextKind : uint8_t {
  kPassage,  // an English passage, for models that were trained
  kRandom,   // random token ids, for models that were made up
};

using LawTexts = std::vector<std::vector<TokenId>>;

inline constexpr int64_t kCompanionTexts = 7;
inline constexpr int64_t kCrowdTexts = 1 + kCompanionTexts;
inline constexpr int64_t kBranchTexts = 3;
// Branch i is text kFirstBranch + i.
inline constexpr int64_t kFirstBranch = kCrowdTexts;

// The text that everything is varied on; then seven shorter ones of random ids, each of another length: its
// company; then three as long as the text that begin as it does: its branches. `position_count` >= 2. A
// passage that the tokenizer has no tokens for is replaced by random ids.
[[nodiscard]] LawTexts law_texts(const Model& model, TextKind kind, int64_t position_count, uint64_t seed);

// How many tokens branch `i` has in common with the text: one less than a whole number of blocks, as many,
// one more; the last such number that leaves some tokens to go apart with. Less than a block where the text
// is that short.
[[nodiscard]] int64_t branch_beginning(int64_t position_count, int64_t i);

}  // namespace cairn
