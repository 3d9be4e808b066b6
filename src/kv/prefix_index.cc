#include "kv/prefix_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace cairn {
namespace {

// Half of the places stay empty, so that probes are short.
size_t place_count_for(int64_t node_count) {
  return std::bit_ceil(static_cast<size_t>(std::max<int64_t>(node_count, 1)) * 2);
}

}  // namespace

// Two more nodes than may stay: one insertion may add a block's node and a root before the oldest ghosts go. Each block
// may have a node of its own.
PrefixIndex::PrefixIndex(std::span<const int64_t> block_counts, int64_t ghost_count)
    : most_ghosts_(ghost_count) {
  int64_t node_count = ghost_count + 2;
  for (const int64_t block_count : block_counts) {
    node_count += block_count;
    by_block_.emplace_back(static_cast<size_t>(block_count), kNone);
  }
  nodes_.resize(static_cast<size_t>(node_count));
  slots_.assign(nodes_.size() * by_block_.size(), kNone);
  places_.assign(place_count_for(node_count), kNone);
  free_.reserve(nodes_.size());
  for (auto n = static_cast<int32_t>(nodes_.size()) - 1; n >= 0; --n) free_.push_back(n);
}

size_t PrefixIndex::home_of(const BlockName& name) const {
  size_t hash = 0;
  std::memcpy(&hash, name.data(), sizeof(hash));
  return hash & (places_.size() - 1);
}

size_t PrefixIndex::place_of(const BlockName& name) const {
  size_t place = home_of(name);
  while (places_[place] != kNone && node(places_[place]).name != name) {
    place = (place + 1) & (places_.size() - 1);
  }
  return place;
}

std::optional<BlockId> PrefixIndex::find(int32_t group, const BlockName& name,
                                         std::span<const TokenId> tokens) const {
  const int32_t n = node_named(name);
  if (n == kNone || node(n).is_root || slot(n, group) == kNone) return std::nullopt;
  if (!std::ranges::equal(node(n).tokens, tokens)) return std::nullopt;
  return BlockId{slot(n, group)};
}

std::optional<uint64_t> PrefixIndex::resident_groups(const BlockName& name,
                                                     std::span<const TokenId> tokens) const {
  const int32_t n = node_named(name);
  if (n == kNone || node(n).is_root || !std::ranges::equal(node(n).tokens, tokens)) return std::nullopt;
  return resident_groups(n);
}

uint64_t PrefixIndex::resident_groups(int32_t n) const {
  uint64_t groups = 0;
  for (int32_t group = 0; group < group_count(); ++group) {
    if (slot(n, group) != kNone) groups |= uint64_t{1} << group;
  }
  return groups;
}

std::vector<BlockName> PrefixIndex::names_up_to(GroupBlock block) const {
  const int64_t count = node(node_of(block)).index + int64_t{1};
  std::vector<BlockName> names;
  for (int32_t n = node_of(block); n != kNone && !node(n).is_root; n = node(n).parent) {
    names.push_back(node(n).name);
  }
  if (std::ssize(names) < count) return {};
  std::ranges::reverse(names);
  return names;
}

void PrefixIndex::insert(GroupBlock block, const NewNode& wanted) {
  CHECK(!has_name(block));
  CHECK(wanted.tokens.size() == kBlockSize);
  int32_t n = node_named(wanted.name);
  if (n == kNone) {
    n = take_node(wanted.name);
    node(n).index = static_cast<int32_t>(wanted.index);
    std::ranges::copy(wanted.tokens, node(n).tokens.begin());
  } else {
    CHECK(slot(n, block.group) == kNone);
    CHECK(std::ranges::equal(node(n).tokens, wanted.tokens));
    CHECK(node(n).index == wanted.index);
    if (node(n).residents == 0) unlink_ghost(n);
  }
  if (node(n).parent == kNone) {  // also of a ghost whose parent had gone before
    const int32_t parent = wanted.index == 0 ? root_named(wanted.parent) : node_named(wanted.parent);
    if (parent != kNone) link_child(parent, n);
  }
  put(block, n);
  forget_ghosts();
}

void PrefixIndex::put(GroupBlock block, int32_t n) {
  slots_[slot_index(n, block.group)] = block.block.value;
  by_block_[static_cast<size_t>(block.group)][static_cast<size_t>(block.block.value)] = n;
  if (node(n).residents++ == 0) ++resident_count_;
  if (node(n).residents == group_count()) node(n).eviction.reset();
}

void PrefixIndex::evict(GroupBlock block, const KvEviction& why) {
  CHECK(has_name(block));
  const int32_t n = node_of(block);
  by_block_[static_cast<size_t>(block.group)][static_cast<size_t>(block.block.value)] = kNone;
  slots_[slot_index(n, block.group)] = kNone;
  node(n).eviction = why;
  if (--node(n).residents > 0) return;
  --resident_count_;
  link_ghost(n);
  forget_ghosts();
}

void PrefixIndex::forget_ghosts() {
  while (ghost_count_ > most_ghosts_) remove_node(oldest_leaf());
}

std::optional<PrefixIndex::Nearest> PrefixIndex::nearest(const BlockName& parent,
                                                         std::span<const TokenId> tokens) const {
  const int32_t of = node_named(parent);
  if (of == kNone) return std::nullopt;
  constexpr int kMostCompared =
      256;  // the newest children; an explanation must not cost more than it explains
  std::optional<Nearest> best;
  int compared = 0;
  for (int32_t c = node(of).first_child; c != kNone && compared < kMostCompared; ++compared) {
    const Node& child = node(c);
    const auto common = std::ranges::mismatch(child.tokens, tokens).in1 - child.tokens.begin();
    if (!best.has_value() || common > best->common) {
      best = Nearest{.common = common};
      if (common < kBlockSize) best->known = child.tokens[static_cast<size_t>(common)];
      if (common == kBlockSize) best->eviction = child.eviction;
    }
    c = child.next_sibling;
  }
  return best;
}

void PrefixIndex::walk(const KvPrefixVisitor& visit) const {
  for (int32_t top = 0; top < std::ssize(nodes_); ++top) {
    if (!node(top).is_used || node(top).parent != kNone) continue;
    int64_t depth = 0;
    for (int32_t n = top; n != kNone;) {
      visit(shown(n, depth));
      if (node(n).first_child != kNone) {
        n = node(n).first_child;
        ++depth;
        continue;
      }
      for (; n != top && node(n).next_sibling == kNone; --depth) n = node(n).parent;
      n = n == top ? kNone : node(n).next_sibling;
    }
  }
}

KvPrefixNode PrefixIndex::shown(int32_t n, int64_t depth) const {
  const Node& x = node(n);
  return {.name = x.name,
          .depth = depth,
          .token_count = x.is_root ? 0 : (x.index + int64_t{1}) * kBlockSize,
          .resident_groups = resident_groups(n),
          .eviction = x.eviction};
}

int32_t PrefixIndex::take_node(const BlockName& name) {
  CHECK(!free_.empty());
  const int32_t n = free_.back();
  free_.pop_back();
  node(n) = {.name = name, .is_used = true};
  places_[place_of(name)] = n;
  return n;
}

// Roots have no block: they are kept among the ghosts.
int32_t PrefixIndex::root_named(const BlockName& name) {
  int32_t n = node_named(name);
  if (n == kNone) {
    n = take_node(name);
    node(n).is_root = true;
  } else {
    unlink_ghost(n);
  }
  link_ghost(n);  // the newest
  return n;
}

// A ghost with children explains more than a leaf, so the oldest leaf goes first.
int32_t PrefixIndex::oldest_leaf() const {
  constexpr int kMostLooked = 64;
  int32_t n = oldest_ghost_;
  for (int i = 0; n != kNone && i < kMostLooked; ++i, n = node(n).newer) {
    if (node(n).first_child == kNone) return n;
  }
  return oldest_ghost_;
}

void PrefixIndex::remove_node(int32_t n) {
  unlink_ghost(n);
  if (node(n).parent != kNone) unlink_child(n);
  while (node(n).first_child != kNone) unlink_child(node(n).first_child);
  erase_place(node(n).name);
  node(n) = {};
  free_.push_back(n);
}

// Without tombstones: entries after the gap move up where they may.
void PrefixIndex::erase_place(const BlockName& name) {
  const size_t mask = places_.size() - 1;
  size_t gap = place_of(name);
  CHECK(places_[gap] != kNone);
  places_[gap] = kNone;
  for (size_t at = (gap + 1) & mask; places_[at] != kNone; at = (at + 1) & mask) {
    const size_t home = home_of(node(places_[at]).name);
    if (((at - home) & mask) < ((at - gap) & mask)) continue;  // its home is after the gap
    places_[gap] = places_[at];
    places_[at] = kNone;
    gap = at;
  }
}

void PrefixIndex::link_child(int32_t parent, int32_t child) {
  Node& c = node(child);
  c.parent = parent;
  c.next_sibling = node(parent).first_child;
  if (c.next_sibling != kNone) node(c.next_sibling).previous_sibling = child;
  node(parent).first_child = child;
}

void PrefixIndex::unlink_child(int32_t child) {
  Node& c = node(child);
  (c.previous_sibling == kNone ? node(c.parent).first_child : node(c.previous_sibling).next_sibling) =
      c.next_sibling;
  if (c.next_sibling != kNone) node(c.next_sibling).previous_sibling = c.previous_sibling;
  c.parent = c.next_sibling = c.previous_sibling = kNone;
}

void PrefixIndex::link_ghost(int32_t n) {
  node(n).older = newest_ghost_;
  node(n).newer = kNone;
  (newest_ghost_ == kNone ? oldest_ghost_ : node(newest_ghost_).newer) = n;
  newest_ghost_ = n;
  ++ghost_count_;
}

void PrefixIndex::unlink_ghost(int32_t n) {
  Node& g = node(n);
  (g.older == kNone ? oldest_ghost_ : node(g.older).newer) = g.newer;
  (g.newer == kNone ? newest_ghost_ : node(g.newer).older) = g.older;
  g.older = g.newer = kNone;
  --ghost_count_;
}

Status PrefixIndex::check_links(int32_t n) const {
  const Node& x = node(n);
  if (places_[place_of(x.name)] != n)
    return internal_error(fmt::format("node {} is not found by its name", n));
  if (x.is_root && (x.residents != 0 || x.parent != kNone)) {
    return internal_error(fmt::format("root {} has a block or a parent", n));
  }
  for (int32_t c = x.first_child, before = kNone; c != kNone; before = c, c = node(c).next_sibling) {
    if (node(c).parent != n || node(c).previous_sibling != before ||
        node(c).index != (x.is_root ? 0 : x.index + 1)) {
      return internal_error(fmt::format("node {} is no proper child of node {}", c, n));
    }
  }
  return {};
}

Status PrefixIndex::check_slots(int32_t n) const {
  int32_t residents = 0;
  for (int32_t group = 0; group < group_count(); ++group) {
    const BlockId block{slot(n, group)};
    if (block.value == kNone) continue;
    ++residents;
    if (node_of({group, block}) != n) {
      return internal_error(
          fmt::format("node {} has block {} of group {}, which has another node", n, block.value, group));
    }
  }
  if (residents != node(n).residents) {
    return internal_error(
        fmt::format("node {} has {} blocks, but {} are counted", n, residents, node(n).residents));
  }
  return {};
}

Status PrefixIndex::check() const {
  int64_t used = 0;
  int64_t resident = 0;
  int64_t block_count = 0;
  for (int32_t n = 0; n < std::ssize(nodes_); ++n) {
    CAIRN_RETURN_IF_ERROR(check_slots(n));
    if (!node(n).is_used) continue;
    ++used;
    block_count += node(n).residents;
    if (node(n).residents > 0) ++resident;
    CAIRN_RETURN_IF_ERROR(check_links(n));
  }
  int64_t ghosts = 0;
  for (int32_t n = oldest_ghost_; n != kNone && ghosts <= used; n = node(n).newer, ++ghosts) {
    if (node(n).residents != 0 || !node(n).is_used) {
      return internal_error(fmt::format("node {} is among the ghosts and has a block", n));
    }
  }
  const auto filled = std::ranges::count_if(places_, [](int32_t n) { return n != kNone; });
  int64_t named = 0;
  for (const std::vector<int32_t>& nodes : by_block_) {
    named += std::ranges::count_if(nodes, [](int32_t n) { return n != kNone; });
  }
  if (resident != resident_count_ || named != block_count || ghosts != ghost_count_ ||
      used != resident + ghosts || filled != used || used + std::ssize(free_) != std::ssize(nodes_)) {
    return internal_error(
        fmt::format("{} nodes are used, {} with {} blocks and {} ghosts; counted were {} and {}; {} places "
                    "are filled, {} blocks have a node",
                    used, resident, block_count, ghosts, resident_count_, ghost_count_, filled, named));
  }
  if (ghosts > most_ghosts_) return internal_error(fmt::format("{} ghosts are too many", ghosts));
  return {};
}

}  // namespace cairn
