// The index of prefixes: blocks found by name, nodes that outlive their blocks, and what they explain. Lists of random
// operations against a twin: prefix_index_twin_test.cc.
#include "kv/prefix_index.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "kv/prefix_index_testing.h"

namespace cairn {
namespace {

constexpr KvEviction kWhy{.step = 7, .wanted_blocks = 2, .idle_blocks = 5};

class IndexOfThree : public ::testing::Test {
 protected:
  BlockName insert(int32_t block, const BlockName& parent, std::span<const TokenId> tokens) {
    const BlockName name = namer_.child(parent, tokens);
    index_.insert({0, {block}},
                  {.name = name, .parent = parent, .tokens = tokens, .index = parent == root_ ? 0 : 1});
    EXPECT_TRUE(index_.check().ok()) << index_.check().message();
    return name;
  }
  void evict(int32_t block) {
    index_.evict({0, {block}}, kWhy);
    EXPECT_TRUE(index_.check().ok()) << index_.check().message();
  }

  BlockNamer namer_{"identity"};
  BlockName root_ = namer_.root("salt");
  PrefixIndex index_ = make_index(3, 3);
};

TEST_F(IndexOfThree, FindsABlockUntilItIsEvicted) {
  const BlockName name = namer_.child(root_, tokens_of(0));
  EXPECT_FALSE(index_.find(0, name, tokens_of(0)).has_value());
  EXPECT_EQ(insert(2, root_, tokens_of(0)), name);
  EXPECT_EQ(index_.find(0, name, tokens_of(0)), BlockId{2});
  EXPECT_TRUE(index_.has_name({0, {2}}));
  EXPECT_FALSE(index_.has_name({0, {1}}));
  EXPECT_EQ(index_.name({0, {2}}), name);
  EXPECT_EQ(index_.tokens({0, {2}}), tokens_of(0));
  EXPECT_EQ(index_.resident_count(), 1);
  EXPECT_EQ(index_.ghost_count(), 1);  // the root
  EXPECT_FALSE(index_.find(0, namer_.child(name, tokens_of(0)), tokens_of(0)).has_value());
  EXPECT_FALSE(index_.find(0, namer_.child(namer_.root("other"), tokens_of(0)), tokens_of(0)).has_value());
  EXPECT_FALSE(index_.find(0, root_, tokens_of(0)).has_value());
  evict(2);
  EXPECT_FALSE(index_.find(0, name, tokens_of(0)).has_value());
  EXPECT_FALSE(index_.has_name({0, {2}}));
  EXPECT_EQ(index_.resident_count(), 0);
  EXPECT_EQ(index_.ghost_count(), 2);
  insert(1, root_, tokens_of(0));  // another block, the same name
  EXPECT_EQ(index_.find(0, name, tokens_of(0)), BlockId{1});
  EXPECT_EQ(index_.ghost_count(), 1);
}

// As if SHA-256 had been broken: a name alone is not trusted.
TEST_F(IndexOfThree, FindsNothingWhereTokensDisagree) {
  const BlockName name = insert(0, root_, tokens_of(0));
  EXPECT_FALSE(index_.find(0, name, tokens_of(1)).has_value());
  BlockTokens last_differs = tokens_of(0);
  ++last_differs.back();
  EXPECT_FALSE(index_.find(0, name, last_differs).has_value());
  EXPECT_FALSE(index_.find(0, name, std::span<const TokenId>(last_differs).first(31)).has_value());
  EXPECT_EQ(index_.find(0, name, tokens_of(0)), BlockId{0});
}

TEST_F(IndexOfThree, KnowsWhyABlockWent) {
  const BlockName first = insert(0, root_, tokens_of(0));
  insert(1, first, tokens_of(32));
  evict(1);
  const auto nearest = index_.nearest(first, tokens_of(32));
  ASSERT_TRUE(nearest.has_value());
  EXPECT_EQ(nearest->common, kBlockSize);
  EXPECT_FALSE(nearest->known.has_value());
  ASSERT_TRUE(nearest->eviction.has_value());
  EXPECT_EQ(nearest->eviction->step, 7);
  EXPECT_EQ(nearest->eviction->wanted_blocks, 2);
  EXPECT_EQ(nearest->eviction->idle_blocks, 5);
  insert(2, first, tokens_of(32));  // back again
  EXPECT_FALSE(index_.nearest(first, tokens_of(32))->eviction.has_value());
}

TEST_F(IndexOfThree, NamesTheChildThatAgreesLongest) {
  EXPECT_FALSE(index_.nearest(root_, tokens_of(0)).has_value());
  for (int32_t agreeing = 0; agreeing < 3; ++agreeing) {
    BlockTokens tokens = tokens_of(0);
    tokens[static_cast<size_t>(agreeing * 10)] = -1 - agreeing;
    insert(agreeing, root_, tokens);
  }
  const auto nearest = index_.nearest(root_, tokens_of(0));
  EXPECT_EQ(nearest->common, 20);
  EXPECT_EQ(nearest->known, -3);
  EXPECT_FALSE(nearest->eviction.has_value());
  evict(2);  // a ghost explains as well
  EXPECT_EQ(index_.nearest(root_, tokens_of(0))->common, 20);
  EXPECT_FALSE(index_.nearest(root_, tokens_of(0))->eviction.has_value());
  EXPECT_FALSE(index_.nearest(namer_.root("other salt"), tokens_of(0)).has_value());
}

TEST_F(IndexOfThree, ForgetsTheOldestGhost) {
  for (TokenId i = 0; i < 10; ++i) {
    insert(0, root_, tokens_of(i * 100));
    evict(0);
    EXPECT_EQ(index_.ghost_count(), std::min(i + 2, 3));  // the root is one of them
    for (TokenId j = 0; j <= i; ++j) {
      const auto nearest = index_.nearest(root_, tokens_of(j * 100));
      EXPECT_EQ(nearest->eviction.has_value(), j > i - 2) << i << " " << j;
    }
  }
}

// Others hang on it, so it explains more than they do.
TEST_F(IndexOfThree, ForgetsLeavesBeforeWhatTheyHangOn) {
  const BlockName first = insert(0, root_, tokens_of(0));
  insert(1, first, tokens_of(32));
  evict(0);
  evict(1);
  insert(2, root_, tokens_of(100));
  evict(2);
  EXPECT_EQ(index_.ghost_count(), 3);
  EXPECT_FALSE(index_.nearest(first, tokens_of(32)).has_value());
  EXPECT_TRUE(index_.nearest(root_, tokens_of(0))->eviction.has_value());
  EXPECT_TRUE(index_.nearest(root_, tokens_of(100))->eviction.has_value());
}

// What comes back is a child again, though its parent was forgotten and is known anew.
TEST_F(IndexOfThree, AGhostThatComesBackHangsOnItsParentAgain) {
  PrefixIndex index = make_index(3, 2);
  const auto insert = [&](int32_t block, const BlockName& parent, const BlockTokens& tokens) {
    const BlockName name = namer_.child(parent, tokens);
    index.insert({0, {block}},
                 {.name = name, .parent = parent, .tokens = tokens, .index = parent == root_ ? 0 : 1});
    EXPECT_TRUE(index.check().ok()) << index.check().message();
    return name;
  };
  const BlockName first = namer_.child(root_, tokens_of(0));
  insert(1, first, tokens_of(32));  // its parent is not known
  insert(0, root_, tokens_of(0));
  EXPECT_FALSE(index.nearest(first, tokens_of(32)).has_value());
  index.evict({0, {1}}, kWhy);
  insert(2, first, tokens_of(32));
  EXPECT_EQ(index.nearest(first, tokens_of(32))->common, kBlockSize);
}

TEST(PrefixIndex, KeepsNoGhostWhereNoneMayStay) {
  PrefixIndex index = make_index(2, 0);
  const BlockName root = name_at(9, 9);
  for (TokenId i = 0; i < 5; ++i) {
    const BlockTokens tokens = tokens_of(i);
    index.insert({0, {0}}, {.name = name_at(1, static_cast<uint64_t>(i)), .parent = root, .tokens = tokens});
    EXPECT_EQ(index.find(0, name_at(1, static_cast<uint64_t>(i)), tokens), BlockId{0});
    index.evict({0, {0}}, kWhy);
    EXPECT_EQ(index.ghost_count(), 0);
    EXPECT_TRUE(index.check().ok()) << index.check().message();
  }
}

TEST(PrefixIndex, HoldsANameForEveryBlockAndItsGhost) {
  for (const int32_t block_count : {1, 2, 3, 4, 5, 63, 64, 65}) {
    PrefixIndex index = make_index(block_count, block_count);
    const auto insert = [&](int32_t b, uint64_t serial) {
      const BlockTokens tokens = tokens_of(b);
      index.insert({0, {b}},
                   {.name = name_at(7, serial), .parent = name_at(7, 10'000), .tokens = tokens, .index = 1});
    };
    const auto serial_of = [](int32_t b, int round) { return static_cast<uint64_t>(b + 1'000 * round); };
    for (const int round : {0, 1}) {
      for (int32_t b = 0; b < block_count; ++b) insert(b, serial_of(b, round));
      for (int32_t b = 0; b < block_count; ++b) {
        EXPECT_EQ(index.find(0, name_at(7, serial_of(b, round)), tokens_of(b)), BlockId{b});
        if (round == 0) index.evict({0, {b}}, kWhy);
      }
      EXPECT_TRUE(index.check().ok()) << index.check().message();
    }
    EXPECT_EQ(index.resident_count(), block_count);
    EXPECT_EQ(index.ghost_count(), block_count);
    EXPECT_FALSE(
        index.find(0, name_at(7, 5'000), tokens_of(0)).has_value());  // a full cluster ends somewhere
  }
}

// Two groups: a node has a block of each, resident or not apart from the other.
class IndexOfTwoGroups : public ::testing::Test {
 protected:
  BlockName insert(GroupBlock block, const BlockName& parent, const BlockTokens& tokens, int64_t at) {
    const BlockName name = namer_.child(parent, tokens);
    index_.insert(block, {.name = name, .parent = parent, .tokens = tokens, .index = at});
    EXPECT_TRUE(index_.check().ok()) << index_.check().message();
    return name;
  }
  void evict(GroupBlock block) {
    index_.evict(block, kWhy);
    EXPECT_TRUE(index_.check().ok()) << index_.check().message();
  }
  [[nodiscard]] std::vector<uint64_t> resident_groups() const {
    std::vector<uint64_t> groups;
    index_.walk([&](const KvPrefixNode& node) { groups.push_back(node.resident_groups); });
    return groups;
  }

  BlockNamer namer_{"identity"};
  BlockName root_ = namer_.root("salt");
  PrefixIndex index_{std::array<int64_t, 2>{3, 2}, 3};
};

TEST_F(IndexOfTwoGroups, IsAGhostWhenTheLastBlockGoes) {
  const BlockName first = insert({0, {2}}, root_, tokens_of(0), 0);
  EXPECT_EQ(index_.find(0, first, tokens_of(0)), BlockId{2});
  EXPECT_FALSE(index_.find(1, first, tokens_of(0)).has_value());
  EXPECT_EQ(insert({1, {0}}, root_, tokens_of(0), 0), first);
  EXPECT_EQ(index_.find(1, first, tokens_of(0)), BlockId{0});
  EXPECT_EQ(index_.name({0, {2}}), index_.name({1, {0}}));
  EXPECT_EQ(index_.resident_count(), 1);
  EXPECT_EQ(resident_groups(), (std::vector<uint64_t>{0, 3}));  // the root, and the node

  evict({0, {2}});
  EXPECT_FALSE(index_.find(0, first, tokens_of(0)).has_value());
  EXPECT_EQ(index_.find(1, first, tokens_of(0)), BlockId{0});
  EXPECT_EQ(index_.resident_count(), 1);
  EXPECT_EQ(index_.ghost_count(), 1);  // the root
  EXPECT_EQ(resident_groups(), (std::vector<uint64_t>{0, 2}));
  EXPECT_TRUE(index_.nearest(root_, tokens_of(0))->eviction.has_value());  // a match ends before it

  evict({1, {0}});
  EXPECT_EQ(index_.resident_count(), 0);
  EXPECT_EQ(index_.ghost_count(), 2);
  insert({1, {1}}, root_, tokens_of(0), 0);
  EXPECT_TRUE(index_.nearest(root_, tokens_of(0))->eviction.has_value());
  insert({0, {0}}, root_, tokens_of(0), 0);
  EXPECT_FALSE(index_.nearest(root_, tokens_of(0))->eviction.has_value());  // all of it is back
}

TEST_F(IndexOfTwoGroups, FindsANodeWhoseAncestorsAreNotResident) {
  const BlockName first = insert({0, {0}}, root_, tokens_of(0), 0);
  const BlockName second = insert({0, {1}}, first, tokens_of(32), 1);
  const BlockName third = insert({1, {0}}, second, tokens_of(64), 2);  // in the other group only
  insert({0, {2}}, second, tokens_of(64), 2);
  evict({0, {0}});
  evict({0, {1}});
  EXPECT_FALSE(index_.find(0, first, tokens_of(0)).has_value());
  EXPECT_EQ(index_.find(0, third, tokens_of(64)), BlockId{2});
  EXPECT_EQ(index_.find(1, third, tokens_of(64)), BlockId{0});
  std::vector<std::array<int64_t, 3>> nodes;  // depth, tokens, resident groups
  index_.walk([&](const KvPrefixNode& node) {
    nodes.push_back({node.depth, node.token_count, static_cast<int64_t>(node.resident_groups)});
    EXPECT_EQ(node.is_root(), node.token_count == 0);
    EXPECT_EQ(node.is_ghost(), node.token_count == 32 || node.token_count == 64);
    EXPECT_EQ(node.eviction.has_value(), node.is_ghost());
  });
  EXPECT_EQ(nodes, (std::vector<std::array<int64_t, 3>>{{0, 0, 0}, {1, 32, 0}, {2, 64, 0}, {3, 96, 3}}));
}

TEST(PrefixIndexDeathTest, RefusesTwoNamesAndTwoBlocks) {
  GTEST_FLAG_SET(death_test_style, "fast");
  PrefixIndex index = make_index(3, 3);
  const auto insert = [&](int32_t block, const BlockName& name, std::span<const TokenId> tokens) {
    index.insert({0, {block}}, {.name = name, .parent = name_at(5, 5), .tokens = tokens});
  };
  insert(0, name_at(0, 0), tokens_of(0));
  EXPECT_DEATH(insert(0, name_at(0, 1), tokens_of(0)), "has_name");
  EXPECT_DEATH(insert(1, name_at(0, 0), tokens_of(0)), "kNone");
  EXPECT_DEATH(insert(1, name_at(0, 0), tokens_of(1)), "kNone");
  EXPECT_DEATH(insert(1, name_at(0, 1), std::array<TokenId, 31>{}), "size");
  EXPECT_DEATH(index.evict({0, {1}}, kWhy), "has_name");
  index.evict({0, {0}}, kWhy);
  EXPECT_DEATH(index.evict({0, {0}}, kWhy), "has_name");
  EXPECT_DEATH(insert(0, name_at(0, 0), tokens_of(1)), "tokens");  // it had others before
}

}  // namespace
}  // namespace cairn
