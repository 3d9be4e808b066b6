// Names: what they cover, and how far two texts agree.
#include "kv/block_name.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace cairn {
namespace {

std::vector<TokenId> tokens_from(TokenId first, int64_t count = kBlockSize) {
  std::vector<TokenId> tokens(static_cast<size_t>(count));
  for (TokenId& token : tokens) token = first++;
  return tokens;
}

PrefixNames names_of(BlockNamer& namer, std::span<const TokenId> tokens, std::string_view salt = {}) {
  PrefixNames names{.root = namer.root(salt), .blocks = {}};
  namer.extend(names, tokens);
  return names;
}

TEST(BlockName, CoversAllThatDeterminesABlock) {
  std::set<BlockName> names;
  // Where identity and salt are told apart matters, and so does a zero byte.
  names.insert(BlockNamer("").root(""));
  names.insert(BlockNamer("ab").root("c"));
  names.insert(BlockNamer("a").root("bc"));
  names.insert(BlockNamer("abc").root(""));
  names.insert(BlockNamer("").root("abc"));
  names.insert(BlockNamer("").root(std::string_view("\0", 1)));
  names.insert(BlockNamer(std::string_view("\0", 1)).root(""));
  BlockNamer namer("identity");
  const BlockName root = namer.root("salt");
  names.insert(root);
  const BlockName parent = namer.child(root, tokens_from(0));
  names.insert(parent);
  names.insert(namer.child(root, tokens_from(1)));
  names.insert(namer.child(parent, tokens_from(0)));
  for (const size_t place : {size_t{0}, size_t{kBlockSize / 2}, size_t{kBlockSize - 1}}) {
    std::vector<TokenId> one_differs = tokens_from(0);
    one_differs[place] = -1;
    names.insert(namer.child(root, one_differs));
  }
  EXPECT_EQ(names.size(), 14U);
}

TEST(BlockName, IsTheSameForTheSame) {
  BlockNamer one("identity");
  BlockNamer other("identity");
  EXPECT_NE(other.root("y"), one.root("salt"));
  (void)other.child(other.root("z"), tokens_from(7));  // what was named before leaves no trace
  const BlockName root = one.root("salt");
  EXPECT_EQ(other.root("salt"), root);
  EXPECT_EQ(other.child(root, tokens_from(3)), one.child(root, tokens_from(3)));
}

TEST(BlockNamer, NamesEveryFullBlock) {
  BlockNamer namer("identity");
  for (const int64_t count : {0, 1, 31, 32, 33, 63, 64, 65, 320}) {
    const std::vector<TokenId> tokens = tokens_from(0, count);
    const PrefixNames names = names_of(namer, tokens);
    ASSERT_EQ(std::ssize(names.blocks), count / kBlockSize);
    BlockName parent = names.root;
    for (size_t b = 0; b < names.blocks.size(); ++b) {
      const BlockName name = namer.child(parent, std::span(tokens).subspan(b * kBlockSize, kBlockSize));
      EXPECT_EQ(names.blocks[b], name);
      parent = name;
    }
  }
}

TEST(BlockNamer, ExtendsNamesAsIfAtOnce) {
  BlockNamer namer("identity");
  const std::vector<TokenId> tokens = tokens_from(0, 200);
  PrefixNames names{.root = namer.root("salt"), .blocks = {}};
  for (size_t count = 0; count <= tokens.size(); count += 7) {
    const auto part = std::span(tokens).first(count);
    namer.extend(names, part);
    EXPECT_EQ(names.blocks, names_of(namer, part, "salt").blocks) << count;
  }
  const std::vector<BlockName> all = names.blocks;
  namer.extend(names, tokens_from(0, 40));  // nothing is missing
  EXPECT_EQ(names.blocks, all);
}

TEST(BlockName, CommonBlocksAreThoseBeforeTheFirstDifference) {
  std::mt19937_64 random(1);
  BlockNamer namer("identity");
  for (int i = 0; i < 2'000; ++i) {
    const auto length = [&] { return static_cast<int64_t>(random() % (12 * kBlockSize)); };
    const std::vector<TokenId> a = tokens_from(0, length());
    std::vector<TokenId> b = tokens_from(0, length());
    if (!b.empty() && random() % 4 != 0) b[random() % b.size()] = -1;
    const PrefixNames of_a = names_of(namer, a);
    const PrefixNames of_b = names_of(namer, b);
    int64_t expected = 0;
    const int64_t most = std::min(std::ssize(a), std::ssize(b)) / kBlockSize;
    while (expected < most &&
           std::equal(a.begin() + expected * kBlockSize, a.begin() + (expected + 1) * kBlockSize,
                      b.begin() + expected * kBlockSize)) {
      ++expected;
    }
    ASSERT_EQ(common_blocks(of_a, of_b), expected);
    ASSERT_EQ(common_blocks(of_b, of_a), expected);
    ASSERT_EQ(common_blocks(of_a, names_of(namer, b, "salt")), 0);
  }
}

TEST(BlockName, NothingHasNothingInCommon) {
  EXPECT_EQ(common_blocks({}, {}), 0);
  BlockNamer namer("identity");
  const PrefixNames names = names_of(namer, tokens_from(0, 96));
  EXPECT_EQ(common_blocks(names, names), 3);
  EXPECT_EQ(common_blocks(names, {.root = names.root, .blocks = {}}), 0);
  EXPECT_EQ(common_blocks(names, {}), 0);
}

}  // namespace
}  // namespace cairn
