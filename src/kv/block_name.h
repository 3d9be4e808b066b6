// BlockName: what a sealed block is found by. The name of a block is the SHA-256 of its parent's name and of its own
// tokens, so it names the whole prefix that ends with the block. The parent of a first block is a root: the hash of
// the cache's identity (all that determines the bytes of its blocks) and of a tenant's salt. Names do not depend on
// where or when a block was computed. Inside the kv room; the engine keeps a text's names and only compares them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "cairn/ids.h"
#include "kernels/codecs/kv_codec.h"

namespace cairn {

using BlockName = Sha256Digest;
using BlockTokens = std::array<TokenId, kBlockSize>;

// The names of a text's full blocks. Computed once for each text (BlockNamer), and extended as it grows.
struct PrefixNames {
  BlockName root{};
  std::vector<BlockName> blocks;
};

// A text, and the names of all its full blocks.
struct NamedText {
  std::span<const TokenId> tokens;
  const PrefixNames& names;
};

// How many blocks of a text a match may find: the last token always runs, since its logits are wanted.
[[nodiscard]] constexpr int64_t findable_blocks(int64_t token_count) {
  return token_count < 1 ? 0 : (token_count - 1) / kBlockSize;
}

// How many leading blocks two texts have in common. Names are chained, so equality is monotonic: a binary search.
[[nodiscard]] int64_t common_blocks(const PrefixNames& a, const PrefixNames& b);

class BlockNamer {
 public:
  // `identity`: all that determines the content of every block of a cache, as bytes.
  explicit BlockNamer(std::string_view identity);

  [[nodiscard]] BlockName root(std::string_view salt);
  [[nodiscard]] BlockName child(const BlockName& parent, std::span<const TokenId> tokens);
  // Names the full blocks of `tokens` that `names` lacks. tokens[0, kBlockSize * names.blocks.size()) are those that
  // were named before.
  void extend(PrefixNames& names, std::span<const TokenId> tokens);

 private:
  Sha256 sha_;
  Sha256Digest identity_;
};

}  // namespace cairn
