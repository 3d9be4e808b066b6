// Tokens and names for tests of the index of prefixes. For tests only.
#pragma once

#include <cstring>

#include "kv/block_name.h"

namespace cairn {

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
