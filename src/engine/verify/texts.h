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

// The text that everything is varied on, then seven shorter ones of random ids, each of another length: its
// company. `position_count` >= 2. A passage that the tokenizer has no tokens for is replaced by random ids.
[[nodiscard]] std::vector<std::vector<TokenId>> law_texts(const Model& model, TextKind kind,
                                                          int64_t position_count, uint64_t seed);

}  // namespace cairn
