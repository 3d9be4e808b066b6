// What benches feed models: ids that differ from position to position. Speed does not depend on them.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

inline std::vector<TokenId> varied_tokens(int64_t count, int64_t vocab_size, int64_t first = 0) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = first; i < first + count; ++i) {
    tokens.push_back(static_cast<TokenId>((i * 7919 + 13) % vocab_size));
  }
  return tokens;
}

}  // namespace cairn
