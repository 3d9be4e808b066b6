// PrefixIndex: what is known of prefixes, by the names of their blocks.
//
// A node is a prefix that ends with a full block: its name, its tokens, its parent and children, and a slot for the
// block of each layer group, which is in memory (resident) or not, each apart from the others. A node outlives its
// blocks: when the last one is evicted the node stays as a ghost, which explains later misses, until a newer ghost
// needs its place. A node is found by its name alone, whether or not its ancestors are known or resident.
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
#include "kv/prefix_node.h"

namespace cairn {

// A block of one layer group's pool.
struct GroupBlock {
  int32_t group = 0;
  BlockId block;
};

class PrefixIndex {
 public:
  // `block_counts` are those of the groups' pools; at most `ghost_count` nodes without a block are kept.
  PrefixIndex(std::span<const int64_t> block_counts, int64_t ghost_count);

  struct NewNode {
    const BlockName& name;
    const BlockName& parent;
    std::span<const TokenId> tokens;
    int64_t index = 0;  // of the block in its sequence; of the first one, the parent is a root
  };
  // The group's block of this name and of these tokens, if it is in memory.
  [[nodiscard]] std::optional<BlockId> find(int32_t group, const BlockName& name,
                                            std::span<const TokenId> tokens) const;
  // Bit g: the block of group g is in memory. Nothing where the prefix is not known.
  [[nodiscard]] std::optional<uint64_t> resident_groups(const BlockName& name,
                                                        std::span<const TokenId> tokens) const;
  // The prefix that ends with this block: the names of its blocks from the first on. Empty where one of them is not known
  // any more.
  [[nodiscard]] std::vector<BlockName> names_up_to(GroupBlock block) const;
  // The tokens of a known prefix's last block.
  [[nodiscard]] const BlockTokens& tokens_of(const BlockName& name) const {
    return node(node_named(name)).tokens;
  }
  // The name must have no block of this group yet, and the block no name. A ghost of that name is one no more.
  void insert(GroupBlock block, const NewNode& node);
  // The block leaves memory; a node becomes a ghost with its last one.
  void evict(GroupBlock block, const KvEviction& why);

  [[nodiscard]] bool has_name(GroupBlock block) const { return node_of(block) != kNone; }
  [[nodiscard]] const BlockName& name(GroupBlock block) const { return node(node_of(block)).name; }
  [[nodiscard]] const BlockTokens& tokens(GroupBlock block) const { return node(node_of(block)).tokens; }

  // The child of `parent` that agrees longest with `tokens`; nothing where no child is known.
  struct Nearest {
    int64_t common = 0;                  // tokens; all of them: the very node
    std::optional<TokenId> known = {};   // where they differ: the child's token
    std::optional<KvEviction> eviction;  // of the very node, where a group's block was evicted
  };
  [[nodiscard]] std::optional<Nearest> nearest(const BlockName& parent,
                                               std::span<const TokenId> tokens) const;

  // Shows every node, a parent before its children, the newest child first.
  void walk(const KvPrefixVisitor& visit) const;

  // Nodes with a block in memory, and without.
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
    int32_t index = 0;      // of the block in its sequence
    int32_t residents = 0;  // groups whose block is in memory; 0: a ghost (or a root)
    int32_t older = kNone;  // neighbours among the ghosts
    int32_t newer = kNone;
    bool is_used = false;
    bool is_root = false;
    std::optional<KvEviction> eviction;  // where a group's block was evicted and is not back
  };

  [[nodiscard]] Node& node(int32_t n) { return nodes_[static_cast<size_t>(n)]; }
  [[nodiscard]] const Node& node(int32_t n) const { return nodes_[static_cast<size_t>(n)]; }
  [[nodiscard]] int32_t group_count() const { return static_cast<int32_t>(by_block_.size()); }
  // The block of a node, kNone where it is not in memory.
  [[nodiscard]] int32_t slot(int32_t n, int32_t group) const { return slots_[slot_index(n, group)]; }
  [[nodiscard]] size_t slot_index(int32_t n, int32_t group) const {
    return static_cast<size_t>(n) * by_block_.size() + static_cast<size_t>(group);
  }
  [[nodiscard]] int32_t node_of(GroupBlock block) const {
    return by_block_[static_cast<size_t>(block.group)][static_cast<size_t>(block.block.value)];
  }
  [[nodiscard]] size_t home_of(const BlockName& name) const;
  // The place of `name`, or the free place where it would go.
  [[nodiscard]] size_t place_of(const BlockName& name) const;
  [[nodiscard]] int32_t node_named(const BlockName& name) const { return places_[place_of(name)]; }

  int32_t take_node(const BlockName& name);
  int32_t root_named(const BlockName& name);
  void put(GroupBlock block, int32_t n);
  void forget_ghosts();
  [[nodiscard]] uint64_t resident_groups(int32_t n) const;
  [[nodiscard]] KvPrefixNode shown(int32_t n, int64_t depth) const;
  [[nodiscard]] int32_t oldest_leaf() const;
  void remove_node(int32_t n);
  void erase_place(const BlockName& name);
  void link_child(int32_t parent, int32_t child);
  void unlink_child(int32_t child);
  void link_ghost(int32_t n);
  void unlink_ghost(int32_t n);
  [[nodiscard]] Status check_links(int32_t n) const;
  [[nodiscard]] Status check_slots(int32_t n) const;

  std::vector<Node> nodes_;
  std::vector<int32_t> free_;                   // a stack
  std::vector<std::vector<int32_t>> by_block_;  // by group: the node of each block
  std::vector<int32_t> slots_;                  // [node][group]: a block or kNone
  std::vector<int32_t> places_;  // open addressing, linear probing: a node or kNone; a power of two of them
  int32_t oldest_ghost_ = kNone;
  int32_t newest_ghost_ = kNone;
  int64_t resident_count_ = 0;
  int64_t ghost_count_ = 0;
  int64_t most_ghosts_;
};

}  // namespace cairn
