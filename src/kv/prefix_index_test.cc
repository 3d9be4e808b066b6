// Names, and the table that finds blocks by them: held against std::map where probes run into each other.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kv/prefix_tree.h"

namespace cairn {
namespace {

BlockTokens tokens_of(TokenId first) {
  BlockTokens tokens;
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = first + static_cast<TokenId>(i);
  return tokens;
}

// A name that wants to stand at place `home`.
BlockName name_at(uint64_t home, uint64_t serial) {
  BlockName name{};
  std::memcpy(name.data(), &home, sizeof(home));
  std::memcpy(name.data() + sizeof(home), &serial, sizeof(serial));
  return name;
}

TEST(PrefixTree, NamesAllThatDeterminesABlock) {
  PrefixTree tree(1);
  std::set<BlockName> names;
  // Where space and salt are told apart matters, and so does a zero byte.
  names.insert(tree.root_name("", ""));
  names.insert(tree.root_name("ab", "c"));
  names.insert(tree.root_name("a", "bc"));
  names.insert(tree.root_name("abc", ""));
  names.insert(tree.root_name("", "abc"));
  names.insert(tree.root_name("", std::string_view("\0", 1)));
  const BlockName root = tree.root_name("space", "salt");
  names.insert(root);
  const BlockName parent = tree.name_of(root, tokens_of(0));
  names.insert(parent);
  names.insert(tree.name_of(root, tokens_of(1)));
  names.insert(tree.name_of(parent, tokens_of(0)));
  BlockTokens last_differs = tokens_of(0);
  last_differs.back() = -1;
  names.insert(tree.name_of(root, last_differs));
  EXPECT_EQ(names.size(), 11U);
}

TEST(PrefixTree, NamesTheSameAlike) {
  PrefixTree one(1);
  PrefixTree other(50);
  EXPECT_NE(other.root_name("x", "y"), one.root_name("space", "salt"));
  const BlockName root = one.root_name("space", "salt");
  EXPECT_EQ(other.root_name("space", "salt"), root);
  EXPECT_EQ(other.name_of(root, tokens_of(3)), one.name_of(root, tokens_of(3)));
}

TEST(PrefixTree, FindsWhatWasInsertedUntilItIsErased) {
  PrefixTree tree(3);
  const BlockName root = tree.root_name("", "");
  const BlockName name = tree.name_of(root, tokens_of(0));
  EXPECT_FALSE(tree.find(name, tokens_of(0)).has_value());
  tree.insert({2}, name, tokens_of(0));
  EXPECT_EQ(tree.find(name, tokens_of(0)), BlockId{2});
  EXPECT_TRUE(tree.has_name({2}));
  EXPECT_FALSE(tree.has_name({1}));
  EXPECT_EQ(tree.name({2}), name);
  EXPECT_EQ(tree.tokens({2}), tokens_of(0));
  EXPECT_EQ(tree.size(), 1);
  EXPECT_FALSE(tree.find(tree.name_of(name, tokens_of(0)), tokens_of(0)).has_value());
  EXPECT_FALSE(tree.find(tree.name_of(tree.root_name("", "salt"), tokens_of(0)), tokens_of(0)).has_value());
  tree.erase({2});
  EXPECT_FALSE(tree.find(name, tokens_of(0)).has_value());
  EXPECT_FALSE(tree.has_name({2}));
  EXPECT_EQ(tree.size(), 0);
  EXPECT_TRUE(tree.check().ok());
  tree.insert({1}, name, tokens_of(0));  // another block, the same name
  EXPECT_EQ(tree.find(name, tokens_of(0)), BlockId{1});
}

// As if SHA-256 had been broken: a name alone is not trusted.
TEST(PrefixTree, FindsNothingWhereTokensDisagree) {
  PrefixTree tree(2);
  const BlockName name = tree.name_of(tree.root_name("", ""), tokens_of(0));
  tree.insert({0}, name, tokens_of(0));
  EXPECT_FALSE(tree.find(name, tokens_of(1)).has_value());
  BlockTokens last_differs = tokens_of(0);
  ++last_differs.back();
  EXPECT_FALSE(tree.find(name, last_differs).has_value());
  EXPECT_FALSE(tree.find(name, std::span<const TokenId>(last_differs).first(31)).has_value());
  EXPECT_EQ(tree.find(name, tokens_of(0)), BlockId{0});
}

TEST(PrefixTree, HoldsANameForEveryBlock) {
  for (const int64_t block_count : {1, 2, 3, 4, 5, 63, 64, 65}) {
    PrefixTree tree(block_count);
    for (int32_t b = 0; b < block_count; ++b) tree.insert({b}, name_at(7, b), tokens_of(b));
    for (int32_t b = 0; b < block_count; ++b) EXPECT_EQ(tree.find(name_at(7, b), tokens_of(b)), BlockId{b});
    EXPECT_FALSE(tree.find(name_at(7, 1000), tokens_of(0)).has_value());  // a full cluster ends somewhere
    EXPECT_TRUE(tree.check().ok()) << tree.check().message();
  }
}

TEST(PrefixTreeDeathTest, RefusesTwoNamesAndTwoBlocks) {
  GTEST_FLAG_SET(death_test_style, "fast");
  PrefixTree tree(3);
  tree.insert({0}, name_at(0, 0), tokens_of(0));
  EXPECT_DEATH(tree.insert({0}, name_at(0, 1), tokens_of(0)), "is_named");
  EXPECT_DEATH(tree.insert({1}, name_at(0, 0), tokens_of(0)), "kEmpty");
  EXPECT_DEATH(tree.insert({1}, name_at(0, 0), tokens_of(1)), "kEmpty");
  EXPECT_DEATH(tree.insert({1}, name_at(0, 1), std::array<TokenId, 31>{}), "size");
  EXPECT_DEATH(tree.erase({1}), "has_name");
}

// How the homes of random names are chosen; each is a different kind of cluster.
enum class Homes : uint8_t { kAnywhere, kTwoPlaces, kAcrossTheEnd };

class TreeTwin {
 public:
  TreeTwin(int64_t block_count, Homes homes, uint64_t seed)
      : tree_(block_count), homes_(homes), random_(seed), names_(static_cast<size_t>(block_count)) {}

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
  }

 private:
  BlockName random_name() {
    const uint64_t serial = random_() % (2 * names_.size());
    switch (homes_) {
      case Homes::kAnywhere: return name_at(serial * 0x9E3779B97F4A7C15U, serial);
      case Homes::kTwoPlaces: return name_at(serial % 2 * 3, serial);
      case Homes::kAcrossTheEnd: break;
    }
    return name_at(serial % 4 - 2, serial);  // the last two places and the first two
  }

  void one() {
    // Spells of growing and of shrinking, so that the table is full and empty in turn.
    if (random_() % 100 == 0) grows_ = !grows_;
    const auto b = static_cast<int32_t>(random_() % names_.size());
    std::optional<BlockName>& held = names_[static_cast<size_t>(b)];
    if (held.has_value()) {
      if (grows_ && random_() % 4 != 0) return;
      tree_.erase({b});
      by_name_.erase(*held);
      held.reset();
      return;
    }
    const BlockName name = random_name();
    if (by_name_.contains(name) || (!grows_ && random_() % 4 != 0)) return;
    tree_.insert({b}, name, tokens_of(b));
    by_name_[name] = b;
    held = name;
  }

  void compare() {
    const Status status = tree_.check();
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(tree_.size(), static_cast<int64_t>(by_name_.size()));
    for (const auto& [name, b] : by_name_) {
      ASSERT_EQ(tree_.find(name, tokens_of(b)), BlockId{b});
      ASSERT_EQ(tree_.name({b}), name);
    }
    for (int i = 0; i < 4; ++i) {
      const BlockName name = random_name();
      const auto expected = by_name_.find(name);
      const TokenId token = expected == by_name_.end() ? 0 : expected->second;
      ASSERT_EQ(tree_.find(name, tokens_of(token)).has_value(), expected != by_name_.end());
      ASSERT_FALSE(tree_.find(name, tokens_of(-100)).has_value());
    }
    for (size_t b = 0; b < names_.size(); ++b) {
      ASSERT_EQ(tree_.has_name({static_cast<int32_t>(b)}), names_[b].has_value());
    }
  }

  PrefixTree tree_;
  Homes homes_;
  std::mt19937_64 random_;
  std::vector<std::optional<BlockName>> names_;  // by block
  std::map<BlockName, int32_t> by_name_;
  bool grows_ = true;
};

TEST(PrefixTree, AgreesWithAMap) {
  for (uint64_t seed = 1; seed <= 4 && !HasFailure(); ++seed) {
    for (const Homes homes : {Homes::kAnywhere, Homes::kTwoPlaces, Homes::kAcrossTheEnd}) {
      SCOPED_TRACE(seed);
      SCOPED_TRACE(static_cast<int>(homes));
      for (const int64_t block_count : {1, 3, 4, 16, 50}) TreeTwin(block_count, homes, seed).run(2'000);
    }
  }
}

}  // namespace
}  // namespace cairn
