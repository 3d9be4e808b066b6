// Lists of random operations on an index of prefixes against the plainest twin: a map of names, where probes run into
// each other, ghosts are forgotten, and parents go and come back, in one layer group or some. What a walk shows must be
// the twin's tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "kv/prefix_index.h"
#include "kv/prefix_index_testing.h"

namespace cairn {
namespace {

// A prefix of a fixed forest: the first two are roots, and each has three children.
constexpr uint64_t kRoots = 2;
std::optional<uint64_t> parent_of(uint64_t serial) {
  if (serial < kRoots) return std::nullopt;
  return (serial - kRoots) / 3;
}
bool is_first(uint64_t serial) { return serial >= kRoots && *parent_of(serial) < kRoots; }
// Of its block in a sequence.
int64_t index_of(uint64_t serial) { return is_first(serial) ? 0 : 1 + index_of(*parent_of(serial)); }

// Brothers agree in none, some or most of their tokens.
BlockTokens tokens_of_serial(uint64_t serial) {
  BlockTokens tokens = tokens_of(0);
  for (size_t i = serial % 4 * 10; i < tokens.size(); ++i)
    tokens[i] += static_cast<TokenId>(100 * serial + 100);
  return tokens;
}

struct TwinNode {
  std::map<int32_t, int32_t> blocks;  // by group: those that are resident
  std::optional<uint64_t> parent;     // where that was known
  std::vector<uint64_t> children;     // the newest is in front
  std::optional<KvEviction> eviction;
};

class TwinIndex {
 public:
  TwinIndex(int32_t group_count, size_t most_ghosts) : group_count_(group_count), most_ghosts_(most_ghosts) {}

  void insert(GroupBlock block, uint64_t serial) {
    std::erase(ghosts_, serial);
    TwinNode& node = nodes_[serial];
    node.blocks[block.group] = block.block.value;
    if (std::ssize(node.blocks) == group_count_) node.eviction.reset();
    if (!node.parent.has_value()) hang(serial);
    forget();
  }
  void evict(int32_t group, uint64_t serial, const KvEviction& why) {
    nodes_[serial].blocks.erase(group);
    nodes_[serial].eviction = why;
    if (nodes_[serial].blocks.empty()) ghosts_.push_back(serial);
    forget();
  }
  [[nodiscard]] std::optional<int32_t> block_of(int32_t group, uint64_t serial) const {
    const auto found = nodes_.find(serial);
    if (found == nodes_.end() || !found->second.blocks.contains(group)) return std::nullopt;
    return found->second.blocks.at(group);
  }
  [[nodiscard]] std::optional<PrefixIndex::Nearest> nearest(uint64_t parent,
                                                            const BlockTokens& tokens) const {
    std::optional<PrefixIndex::Nearest> best;
    const auto found = nodes_.find(parent);
    if (found == nodes_.end()) return best;
    for (const uint64_t child : found->second.children) {
      const BlockTokens of_child = tokens_of_serial(child);
      int64_t common = 0;
      while (common < kBlockSize &&
             of_child[static_cast<size_t>(common)] == tokens[static_cast<size_t>(common)]) {
        ++common;
      }
      if (best.has_value() && common <= best->common) continue;
      best = PrefixIndex::Nearest{.common = common};
      if (common < kBlockSize) best->known = of_child[static_cast<size_t>(common)];
      if (common == kBlockSize) best->eviction = nodes_.at(child).eviction;
    }
    return best;
  }
  [[nodiscard]] size_t ghost_count() const { return ghosts_.size(); }
  [[nodiscard]] bool is_orphan(uint64_t serial) const { return !nodes_.at(serial).parent.has_value(); }
  [[nodiscard]] const std::map<uint64_t, TwinNode>& nodes() const { return nodes_; }

 private:
  void hang(uint64_t serial) {
    const uint64_t parent = *parent_of(serial);
    if (is_first(serial)) {  // roots are always known when a child comes, and are the newest ghosts then
      std::erase(ghosts_, parent);
      ghosts_.push_back(parent);
      nodes_[parent];
    }
    if (!nodes_.contains(parent)) return;
    nodes_[serial].parent = parent;
    nodes_[parent].children.insert(nodes_[parent].children.begin(), serial);
  }
  void forget() {
    while (ghosts_.size() > most_ghosts_) {
      const auto leaf = std::ranges::find_if(ghosts_, [&](uint64_t g) { return nodes_[g].children.empty(); });
      const auto goes = leaf == ghosts_.end() ? ghosts_.begin() : leaf;
      const TwinNode node = nodes_[*goes];
      if (node.parent.has_value()) std::erase(nodes_[*node.parent].children, *goes);
      for (const uint64_t child : node.children) nodes_[child].parent.reset();
      nodes_.erase(*goes);
      ghosts_.erase(goes);
    }
  }

  std::map<uint64_t, TwinNode> nodes_;
  std::vector<uint64_t> ghosts_;  // the oldest is in front
  int32_t group_count_;
  size_t most_ghosts_;
};

// How the homes of names are chosen; each is a different kind of cluster.
enum class Homes : uint8_t { kAnywhere, kTwoPlaces, kAcrossTheEnd };

struct Run {
  std::vector<int64_t> block_counts;  // of each group
  int64_t ghost_count = 0;
  Homes homes = Homes::kAnywhere;
  uint64_t seed = 0;
};

class Operations {
 public:
  explicit Operations(const Run& run)
      : index_(run.block_counts, run.ghost_count),
        twin_(static_cast<int32_t>(run.block_counts.size()), static_cast<size_t>(run.ghost_count)),
        homes_(run.homes),
        random_(run.seed),
        serial_count_(kRoots + 2 * static_cast<uint64_t>(run.block_counts.front() + run.ghost_count)) {
    for (const int64_t block_count : run.block_counts) serials_.emplace_back(block_count);
  }

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
  }
  [[nodiscard]] int64_t revived() const { return revived_; }
  [[nodiscard]] int64_t orphans() const { return orphans_; }
  // Insertions where another group had the block already.
  [[nodiscard]] int64_t completed() const { return completed_; }

 private:
  [[nodiscard]] BlockName name(uint64_t serial) const {
    switch (homes_) {
      case Homes::kAnywhere: return name_at(serial * 0x9E3779B97F4A7C15U, serial);
      case Homes::kTwoPlaces: return name_at(serial % 2 * 3, serial);
      case Homes::kAcrossTheEnd: break;
    }
    return name_at(serial % 4 - 2, serial);  // the last two places and the first two
  }

  void one() {
    // Spells of growing and of shrinking, so that the index is full and empty in turn.
    if (random_() % 100 == 0) grows_ = !grows_;
    const auto g = static_cast<int32_t>(random_() % serials_.size());
    auto& of_group = serials_[static_cast<size_t>(g)];
    const auto b = static_cast<int32_t>(random_() % of_group.size());
    std::optional<uint64_t>& held = of_group[static_cast<size_t>(b)];
    if (held.has_value()) {
      if (grows_ && random_() % 4 != 0) return;
      const KvEviction why{.step = step_++, .wanted_blocks = b, .idle_blocks = step_ % 7};
      index_.evict({g, {b}}, why);
      twin_.evict(g, *held, why);
      held.reset();
      return;
    }
    const uint64_t serial = kRoots + random_() % (serial_count_ - kRoots);
    if (twin_.block_of(g, serial).has_value() || (!grows_ && random_() % 4 != 0)) return;
    completed_ += twin_.nodes().contains(serial) && !twin_.nodes().at(serial).blocks.empty() ? 1 : 0;
    const size_t ghosts_before = twin_.ghost_count();
    const BlockTokens tokens = tokens_of_serial(serial);
    const BlockName of_parent = name(*parent_of(serial));
    index_.insert({g, {b}},
                  {.name = name(serial), .parent = of_parent, .tokens = tokens, .index = index_of(serial)});
    twin_.insert({g, {b}}, serial);
    held = serial;
    revived_ += twin_.ghost_count() < ghosts_before ? 1 : 0;
    orphans_ += twin_.is_orphan(serial) ? 1 : 0;
  }

  void compare() {
    const Status status = index_.check();
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(index_.ghost_count(), static_cast<int64_t>(twin_.ghost_count()));
    int64_t resident = 0;
    for (uint64_t serial = 0; serial < serial_count_; ++serial) {
      compare_nearest(serial);
      bool is_resident = false;
      for (int32_t g = 0; g < std::ssize(serials_); ++g) {
        is_resident |= twin_.block_of(g, serial).has_value();
        compare_block(g, serial);
      }
      resident += is_resident ? 1 : 0;
    }
    ASSERT_EQ(index_.resident_count(), resident);
    for (int32_t g = 0; g < std::ssize(serials_); ++g) {
      const auto& of_group = serials_[static_cast<size_t>(g)];
      for (size_t b = 0; b < of_group.size(); ++b) {
        ASSERT_EQ(index_.has_name({g, {static_cast<int32_t>(b)}}), of_group[b].has_value());
      }
    }
    compare_walk();
  }

  void compare_block(int32_t group, uint64_t serial) {
    const std::optional<int32_t> block = twin_.block_of(group, serial);
    const std::optional<BlockId> found = index_.find(group, name(serial), tokens_of_serial(serial));
    ASSERT_EQ(found.has_value(), block.has_value());
    ASSERT_FALSE(index_.find(group, name(serial), tokens_of(-100)).has_value());
    if (!block.has_value()) return;
    ASSERT_EQ(found->value, *block);
    ASSERT_EQ(index_.name({group, *found}), name(serial));
    ASSERT_EQ(index_.tokens({group, *found}), tokens_of_serial(serial));
  }

  // A walk shows the twin's trees, each node once, children in their order.
  void compare_walk() {
    std::map<uint64_t, std::vector<uint64_t>> children;
    std::vector<uint64_t> path;  // the node and its ancestors
    size_t shown = 0;
    index_.walk([&](const KvPrefixNode& node) {
      uint64_t serial = 0;  // behind the eight bytes of its home
      std::memcpy(&serial, node.name.data() + sizeof(uint64_t), sizeof(serial));
      ++shown;
      ASSERT_TRUE(twin_.nodes().contains(serial));
      const TwinNode& twin = twin_.nodes().at(serial);
      ASSERT_LE(node.depth, std::ssize(path));
      path.resize(static_cast<size_t>(node.depth));
      ASSERT_EQ(twin.parent, path.empty() ? std::nullopt : std::optional(path.back()));
      if (!path.empty()) children[path.back()].push_back(serial);
      path.push_back(serial);
      uint64_t groups = 0;
      for (const auto& [group, block] : twin.blocks) groups |= uint64_t{1} << static_cast<uint64_t>(group);
      ASSERT_EQ(node.resident_groups, groups);
      ASSERT_EQ(node.token_count, serial < kRoots ? 0 : (index_of(serial) + 1) * kBlockSize);
      ASSERT_EQ(node.eviction.has_value(), twin.eviction.has_value());
      if (twin.eviction.has_value()) ASSERT_EQ(node.eviction->step, twin.eviction->step);
    });
    ASSERT_EQ(shown, twin_.nodes().size());
    for (const auto& [serial, twin] : twin_.nodes()) ASSERT_EQ(children[serial], twin.children);
  }

  // What is known behind a node: of each possible child, and of one that turns off somewhere.
  void compare_nearest(uint64_t parent) {
    for (uint64_t child = parent * 3 + kRoots; child < parent * 3 + kRoots + 3; ++child) {
      BlockTokens tokens = tokens_of_serial(child);
      if (random_() % 4 == 0) tokens[random_() % tokens.size()] = -1;
      const auto expected = twin_.nearest(parent, tokens);
      const auto nearest = index_.nearest(name(parent), tokens);
      ASSERT_EQ(nearest.has_value(), expected.has_value());
      if (!expected.has_value()) continue;
      ASSERT_EQ(nearest->common, expected->common);
      ASSERT_EQ(nearest->known, expected->known);
      ASSERT_EQ(nearest->eviction.has_value(), expected->eviction.has_value());
      if (!expected->eviction.has_value()) continue;
      ASSERT_EQ(nearest->eviction->step, expected->eviction->step);
      ASSERT_EQ(nearest->eviction->wanted_blocks, expected->eviction->wanted_blocks);
      ASSERT_EQ(nearest->eviction->idle_blocks, expected->eviction->idle_blocks);
    }
  }

  PrefixIndex index_;
  TwinIndex twin_;
  Homes homes_;
  std::mt19937_64 random_;
  std::vector<std::vector<std::optional<uint64_t>>> serials_;  // by group and block
  uint64_t serial_count_;
  int64_t step_ = 0;
  int64_t revived_ = 0;
  int64_t orphans_ = 0;
  int64_t completed_ = 0;
  bool grows_ = true;
};

struct Reached {
  int64_t revived = 0;
  int64_t orphans = 0;
  int64_t completed = 0;
};

// Further groups have a block less or more than the first.
Reached run_lists(int32_t group_count) {
  Reached sum;
  for (uint64_t seed = 1; seed <= 4 && !::testing::Test::HasFailure(); ++seed) {
    for (const Homes homes : {Homes::kAnywhere, Homes::kTwoPlaces, Homes::kAcrossTheEnd}) {
      for (const int64_t block_count : {1, 3, 4, 16, 50}) {
        for (const int64_t ghost_count : {int64_t{1}, block_count}) {
          SCOPED_TRACE(::testing::Message()
                       << "seed " << seed << ", homes " << static_cast<int>(homes) << ", " << block_count
                       << " blocks, " << ghost_count << " ghosts");
          std::vector<int64_t> block_counts{block_count};
          for (int32_t g = 1; g < group_count; ++g) {
            block_counts.push_back(std::max<int64_t>(1, block_count + (g % 2 == 0 ? 1 : -1)));
          }
          Operations operations({block_counts, ghost_count, homes, seed});
          operations.run(1'000 / group_count);
          sum.revived += operations.revived();
          sum.orphans += operations.orphans();
          sum.completed += operations.completed();
        }
      }
    }
  }
  return sum;
}

TEST(PrefixIndex, AgreesWithAMap) {
  const Reached reached = run_lists(1);
  EXPECT_GT(reached.revived, 500);
  EXPECT_GT(reached.orphans, 500);
}

TEST(PrefixIndex, AgreesWithAMapOfTwoAndThreeGroups) {
  for (const int32_t group_count : {2, 3}) {
    const Reached reached = run_lists(group_count);
    EXPECT_GT(reached.revived, 100);
    EXPECT_GT(reached.orphans, 100);
    EXPECT_GT(reached.completed, 500);
  }
}

}  // namespace
}  // namespace cairn
