// PrefixIndex: what is known of prefixes, by the names of their blocks.
//
// A node is a prefix that ends with a full block: its name, its tokens, its parent and children, and where its block
// is. A node outlives its block: when the block is evicted the node stays as a ghost, which explains later misses,
// until a newer ghost needs its place. A node is found by its name alone, whether or not its ancestors are known.
// Always true: a block has at most one node, a name at most one node; a block is found only where its tokens agree
// too. Sized at the start; nothing is allocated later. Integers only; it knows nothing about states and bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "kernels/kv_view.h"
#include "kv/block_name.h"

namespace cairn {

// Why a block left memory.
struct KvEviction {
  int64_t step = 0;           // of the cache, when it happened
  int64_t wanted_blocks = 0;  // how many were needed then
  int64_t idle_blocks = 0;    // how many could have been evicted then
};

class PrefixIndex {
 public:
  // At most `block_count` nodes with a block and `ghost_count` without.
  PrefixIndex(int64_t block_count, int64_t ghost_count);

  struct NewNode {
    const BlockName& name;
    const BlockName& parent;
    std::span<const TokenId> tokens;
    bool is_first = false;  // the parent is a root
  };
  // The block of this name and of these tokens, if it is in memory.
  [[nodiscard]] std::optional<BlockId> find(const BlockName& name, std::span<const TokenId> tokens) const;
  // The name must have no block yet, and the block no name. A ghost of that name is resident again, with this block.
  void insert(BlockId block, const NewNode& node);
  // The block leaves memory; its node becomes a ghost.
  void evict(BlockId block, const KvEviction& why);

  [[nodiscard]] bool has_name(BlockId block) const { return node_of(block) != kNone; }
  [[nodiscard]] const BlockName& name(BlockId block) const { return node(node_of(block)).name; }
  [[nodiscard]] const BlockTokens& tokens(BlockId block) const { return node(node_of(block)).tokens; }

  // The child of `parent` that agrees longest with `tokens`; nothing where no child is known.
  struct Nearest {
    int64_t common = 0;                  // tokens; all of them: the very node
    std::optional<TokenId> known = {};   // where they differ: the child's token
    std::optional<KvEviction> eviction;  // of the very node, where its block was evicted
  };
  [[nodiscard]] std::optional<Nearest> nearest(const BlockName& parent,
                                               std::span<const TokenId> tokens) const;

  [[nodiscard]] int64_t resident_count() const { return resident_count_; }
  [[nodiscard]] int64_t ghost_count() const { return ghost_count_; }
  // Walks everything; kInternal names the first thing that does not add up.
  [[nodiscard]] Status check() const;

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    BlockName name{};
    BlockTokens tokens{};
    int32_t parent = kNone;
    int32_t first_child = kNone;
    int32_t next_sibling = kNone;
    int32_t previous_sibling = kNone;
    int32_t block = kNone;  // kNone: a ghost (or a root)
    int32_t older = kNone;  // neighbours among the ghosts
    int32_t newer = kNone;
    bool is_used = false;
    bool is_root = false;
    KvEviction eviction;
  };

  [[nodiscard]] Node& node(int32_t n) { return nodes_[static_cast<size_t>(n)]; }
  [[nodiscard]] const Node& node(int32_t n) const { return nodes_[static_cast<size_t>(n)]; }
  [[nodiscard]] int32_t node_of(BlockId block) const { return by_block_[static_cast<size_t>(block.value)]; }
  [[nodiscard]] size_t home_of(const BlockName& name) const;
  // The place of `name`, or the free place where it would go.
  [[nodiscard]] size_t place_of(const BlockName& name) const;
  [[nodiscard]] int32_t node_named(const BlockName& name) const { return places_[place_of(name)]; }

  int32_t take_node(const BlockName& name);
  int32_t root_named(const BlockName& name);
  [[nodiscard]] int32_t oldest_leaf() const;
  void remove_node(int32_t n);
  void erase_place(const BlockName& name);
  void link_child(int32_t parent, int32_t child);
  void unlink_child(int32_t child);
  void link_ghost(int32_t n);
  void unlink_ghost(int32_t n);
  [[nodiscard]] Status check_links(int32_t n) const;

  std::vector<Node> nodes_;
  std::vector<int32_t> free_;      // a stack
  std::vector<int32_t> by_block_;  // node of each block
  std::vector<int32_t> places_;    // open addressing, linear probing: a node or kNone; a power of two of them
  int32_t oldest_ghost_ = kNone;
  int32_t newest_ghost_ = kNone;
  int64_t resident_count_ = 0;
  int64_t ghost_count_ = 0;
  int64_t most_ghosts_;
};

}  // namespace cairn
