// PrefixTree: which sealed blocks there are, by what determines their content.
//
// A block's name is the SHA-256 of its parent's name and its own tokens, so it names the whole prefix that
// ends with the block; the parent of a first block is a root (root_name: format, shape, KV plan, salt). Names
// make the tree: a block is found only from its parent's name, and used only where its tokens agree as well.
// Always true: a block has at most one name, a name at most one block. Sized at the start; nothing is
// allocated later. Integers only; it knows nothing of states and bytes. Inside the kv room only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "cairn/ids.h"
#include "kernels/codecs/kv_codec.h"
#include "kv/block_pool.h"

namespace cairn {

using BlockName = Sha256Digest;
using BlockTokens = std::array<TokenId, kBlockSize>;

class PrefixTree {
 public:
  explicit PrefixTree(int64_t block_count);

  // `space`: all that shapes the content of every block of this cache; `salt`: a tenant's secret.
  [[nodiscard]] BlockName root_name(std::string_view space, std::string_view salt);
  [[nodiscard]] BlockName name_of(const BlockName& parent, std::span<const TokenId> tokens);

  // The block of this name that holds these tokens.
  [[nodiscard]] std::optional<BlockId> find(const BlockName& name, std::span<const TokenId> tokens) const;
  // The name must be free and the block nameless.
  void insert(BlockId block, const BlockName& name, std::span<const TokenId> tokens);
  void erase(BlockId block);

  [[nodiscard]] bool has_name(BlockId block) const { return entry(block).is_named; }
  [[nodiscard]] const BlockName& name(BlockId block) const { return entry(block).name; }
  [[nodiscard]] const BlockTokens& tokens(BlockId block) const { return entry(block).tokens; }
  [[nodiscard]] int64_t size() const { return size_; }
  // Whether every named block is found by its name, and nothing else is.
  [[nodiscard]] Status check() const;

 private:
  static constexpr int32_t kEmpty = -1;
  struct Entry {
    BlockName name{};
    BlockTokens tokens{};
    bool is_named = false;
  };

  [[nodiscard]] const Entry& entry(BlockId block) const { return entries_[static_cast<size_t>(block.value)]; }
  [[nodiscard]] size_t home_of(const BlockName& name) const;
  // The place of `name`, or the free place where it would go.
  [[nodiscard]] size_t place_of(const BlockName& name) const;

  Sha256 sha_;
  std::vector<Entry> entries_;   // by block
  std::vector<int32_t> places_;  // open addressing, linear probing: a block or kEmpty; a power of two of them
  int64_t size_ = 0;
};

}  // namespace cairn
