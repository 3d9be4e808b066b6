// Tokens and names for tests of the index of prefixes. For tests only.
#pragma once

#include <cstring>

#include "kv/prefix_index.h"

namespace cairn {

// Of one layer group.
inline PrefixIndex make_index(int64_t block_count, int64_t ghost_count) {
  return {{&block_count, 1}, ghost_count};
}

inline BlockTokens tokens_of(TokenId first) {
  BlockTokens tokens;
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = first + static_cast<TokenId>(i);
  return tokens;
}

// A name whose place is `home`.
inline BlockName name_at(uint64_t home, uint64_t serial) {
  BlockName name{};
  std::memcpy(name.data(), &home, sizeof(home));
  std::memcpy(name.data() + sizeof(home), &serial, sizeof(serial));
  return name;
}

}  // namespace cairn
