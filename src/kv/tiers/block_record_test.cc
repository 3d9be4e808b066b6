#include "kv/tiers/block_record.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

std::vector<TokenId> block_of(TokenId first) {
  std::vector<TokenId> tokens;
  for (TokenId i = 0; i < kBlockSize; ++i) tokens.push_back(first + i);
  return tokens;
}

KvGeometry geometry_of(const char* plan) { return KvGeometry::make(small_shape(plan)).value(); }

std::vector<std::byte> head_of(const BlockRecordForm& form, const BlockPlace& place) {
  std::vector<std::byte> head(form.head_bytes());
  form.write_head(place, head);
  return head;
}

TEST(BlockRecord, AHeadSaysWhatItWasWrittenFor) {
  const KvGeometry geometry = geometry_of("int8:token");
  const auto form = BlockRecordForm::make(geometry, "model=m\nf16");
  ASSERT_TRUE(form.ok());
  const auto tokens = block_of(7);
  const BlockPlace place{.root = {1, 2}, .parent = {3, 4}, .index = 5, .tokens = tokens};
  const auto head = head_of(*form, place);
  const auto parsed = parse_block_head(head);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->root, place.root);
  EXPECT_EQ(parsed->parent, place.parent);
  EXPECT_EQ(parsed->index, 5);
  EXPECT_TRUE(std::ranges::equal(parsed->tokens, tokens));
  EXPECT_EQ(parsed->layer_count, 2);
  EXPECT_EQ(parsed->identity, "model=m\nf16");
}

// The sections cover each layer's bytes, once.
TEST(BlockRecord, SlicesAreTheLayersOfTheirGroups) {
  const auto geometry = KvGeometry::make(grouped_shape("f16", {0, 1, 0, 1, 1})).value();
  const auto form = BlockRecordForm::make(geometry, "").value();
  ASSERT_EQ(form.slices().size(), 5U);
  std::vector<uint64_t> ends(2, 0);
  for (size_t layer = 0; layer < 5; ++layer) {
    const BlockRecordForm::Slice& slice = form.slices()[layer];
    EXPECT_EQ(slice.group, geometry.group_of(static_cast<int64_t>(layer)));
    EXPECT_GE(slice.offset, ends[static_cast<size_t>(slice.group)]);
    ends[static_cast<size_t>(slice.group)] = slice.offset + slice.bytes;
  }
  for (int32_t group = 0; group < 2; ++group) {
    EXPECT_LE(ends[static_cast<size_t>(group)], geometry.block_bytes(group));
  }
}

TEST(BlockRecord, EverythingThatMakesABlockAnotherChangesItsHead) {
  const auto f16 = geometry_of("f16");
  const auto int8 = geometry_of("int8:token");
  const auto form = BlockRecordForm::make(f16, "a").value();
  const auto tokens = block_of(1);
  auto other_tokens = tokens;
  other_tokens[31] ^= 1;
  const BlockPlace place{.root = {1}, .parent = {2}, .index = 3, .tokens = tokens};
  std::set<std::vector<std::byte>> heads;
  heads.insert(head_of(form, place));
  heads.insert(head_of(form, {.root = {9}, .parent = {2}, .index = 3, .tokens = tokens}));
  heads.insert(head_of(form, {.root = {1}, .parent = {9}, .index = 3, .tokens = tokens}));
  heads.insert(head_of(form, {.root = {1}, .parent = {2}, .index = 4, .tokens = tokens}));
  heads.insert(head_of(form, {.root = {1}, .parent = {2}, .index = 3, .tokens = other_tokens}));
  heads.insert(head_of(BlockRecordForm::make(f16, "b").value(), place));
  heads.insert(head_of(BlockRecordForm::make(int8, "a").value(), place));
  EXPECT_EQ(heads.size(), 7U);
}

TEST(BlockRecord, AnyBytesAreParsedOrRefused) {
  const auto form = BlockRecordForm::make(geometry_of("f16"), "an identity").value();
  const auto tokens = block_of(1);
  const auto head = head_of(form, {.root = {}, .parent = {}, .index = 0, .tokens = tokens});
  for (size_t length = 0; length < head.size(); ++length) {
    EXPECT_FALSE(parse_block_head(std::span(head).first(length)).ok()) << length;
  }
  for (uint64_t round = 0; round < 2000; ++round) {
    auto bytes = head;
    for (uint64_t i = 0; i < 3; ++i) {
      const uint64_t bits = random_bits(3, round, i);
      bytes[bits % bytes.size()] ^= static_cast<std::byte>(bits >> 32);
    }
    const auto parsed = parse_block_head(bytes);
    if (parsed.ok()) EXPECT_LE(parsed->identity.size(), bytes.size());
  }
}

TEST(BlockRecord, AnOwnersTagIsNotItsSaltAndNobodyHasNone) {
  EXPECT_EQ(owner_tag_of(""), OwnerTag{});
  EXPECT_NE(owner_tag_of("a"), owner_tag_of("b"));
  EXPECT_NE(owner_tag_of("a"), OwnerTag{});
  EXPECT_EQ(owner_tag_of("a"), owner_tag_of("a"));
}

}  // namespace
}  // namespace cairn
