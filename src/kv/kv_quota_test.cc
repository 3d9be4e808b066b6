// Owners and quotas of blocks, rule by rule; kv_quota_operations_test.cc has lists of operations.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

constexpr KvOwner kA{7};
constexpr KvOwner kB{3};

struct Scene {
  explicit Scene(const KvCacheOptions& options = {})
      : cache(make_cache({.shape = options.shape,
                          .sharing = options.sharing,
                          .context = 400,
                          .max_sequences = 6,
                          .step_rows = 400})) {}
  void set_quota(KvOwner owner, std::optional<uint64_t> blocks) {
    if (blocks.has_value()) blocks = *blocks * block_bytes();
    ASSERT_TRUE(cache->set_quota(owner, blocks).ok());
  }
  TestSequence begin(KvOwner owner, std::span<const TokenId> tokens, std::string_view salt = {}) {
    return cairn::begin(*cache, {.tokens = tokens, .names = cache->names_of(tokens, salt), .owner = owner},
                        salt);
  }
  TestSequence prefilled(KvOwner owner, const std::vector<TokenId>& tokens) {
    TestSequence sequence = begin(owner, tokens);
    EXPECT_EQ(extend(*cache, sequence, std::span(tokens).subspan(static_cast<size_t>(sequence.length()))),
              Room::kOk);
    return sequence;
  }
  [[nodiscard]] uint64_t block_bytes() const { return cache->geometry().block_bytes(); }
  // Blocks: held and idle.
  [[nodiscard]] std::pair<uint64_t, uint64_t> of(KvOwner owner) const {
    const Status status = cache->check();
    EXPECT_TRUE(status.ok()) << status.message();
    const KvOwnerCounts counts = cache->owner_counts(owner);
    return {counts.held_bytes / block_bytes(), counts.idle_bytes / block_bytes()};
  }

  std::unique_ptr<KvCache> cache;
};
using Blocks = std::pair<uint64_t, uint64_t>;

TEST(KvQuota, SharedBlocksCountOnceAndIdleOnesToo) {
  Scene scene;
  scene.set_quota(kA, 10);
  const auto text = some_tokens(101);
  TestSequence a = scene.prefilled(kA, text);
  EXPECT_EQ(scene.of(kA), Blocks(4, 0));
  TestSequence b = scene.prefilled(kA, text);
  EXPECT_EQ(scene.of(kA), Blocks(5, 0)) << "the open block is its own";
  TestSequence c = forked(*scene.cache, b);
  EXPECT_EQ(scene.of(kA), Blocks(6, 0));
  a.lease = {};
  b.lease = {};
  EXPECT_EQ(scene.of(kA), Blocks(4, 0));
  c.lease = {};
  EXPECT_EQ(scene.of(kA), Blocks(0, 3)) << "open ones are gone";
}

TEST(KvQuota, ItsOwnIdleBlocksGoFirstTheOldestFirst) {
  Scene scene;
  scene.set_quota(kA, 5);
  scene.set_quota(kB, std::nullopt);
  const auto older = some_tokens(64);
  const auto newer = some_tokens(64, 1000);
  scene.prefilled(kB, some_tokens(64, 5000)).lease = {};
  scene.prefilled(kA, older).lease = {};
  scene.prefilled(kA, newer).lease = {};
  EXPECT_EQ(scene.of(kA), Blocks(0, 4));
  const TestSequence third = scene.prefilled(kA, some_tokens(80, 2000));
  EXPECT_EQ(scene.of(kA), Blocks(3, 2));
  EXPECT_EQ(scene.of(kB), Blocks(0, 2));
  const auto found = [&](std::vector<TokenId> text) {
    text.push_back(1);
    return scene.cache->findable(text, scene.cache->names_of(text, {}));
  };
  EXPECT_EQ(found(older), 0) << "its end first, then its beginning";
  EXPECT_EQ(found(newer), 64);
  auto again = older;
  again.push_back(1);
  const TestSequence missed = scene.begin(kA, again);
  const KvMatchReport& report = scene.cache->match_report(missed.lease);
  EXPECT_EQ(report.end, KvMatchEnd::kEvicted);
  EXPECT_TRUE(report.is_evicted_by_quota);
}

TEST(KvQuota, ARefusalSaysWhetherWaitingHelpsAndChangesNothing) {
  Scene scene;
  scene.set_quota(kA, 5);
  scene.prefilled(kA, some_tokens(32)).lease = {};
  const TestSequence first = scene.prefilled(kA, some_tokens(90, 1000));
  const TestSequence second = scene.begin(kA, some_tokens(70, 2000));
  EXPECT_EQ(scene.of(kA), Blocks(3, 1));
  EXPECT_EQ(scene.cache->reserve(second.lease, 70), Room::kOverQuota);
  EXPECT_EQ(scene.cache->quota_shortage(second.lease, 70), scene.block_bytes());
  EXPECT_EQ(scene.cache->sole_quota_bytes(first.lease), 3 * scene.block_bytes());
  EXPECT_EQ(scene.cache->reserve(second.lease, 161), Room::kExceedsQuota);
  EXPECT_EQ(scene.of(kA), Blocks(3, 1));
  EXPECT_EQ(scene.cache->room(second.lease), 0);
  EXPECT_EQ(scene.cache->reserve(second.lease, 64), Room::kOk);
  EXPECT_EQ(scene.of(kA), Blocks(5, 0));
}

TEST(KvQuota, AForkThatNeedsACopyIsRefused) {
  Scene scene;
  scene.set_quota(kA, 3);
  TestSequence a = scene.prefilled(kA, some_tokens(70));
  EXPECT_TRUE(scene.cache->fork_exceeds_quota(a.lease));
  EXPECT_FALSE(static_cast<bool>(scene.cache->fork(a.lease)));
  cut(*scene.cache, a, 64);
  EXPECT_FALSE(scene.cache->fork_exceeds_quota(a.lease));
  const TestSequence copy = forked(*scene.cache, a);
  EXPECT_EQ(scene.of(kA), Blocks(2, 0));
  expect_intact(*scene.cache, copy);
}

// A cut inside a sealed block needs a copy; where the quota has none, the block's rows go.
TEST(KvQuota, ACutWithoutRoomForACopyLosesTheBlock) {
  Scene scene;
  scene.set_quota(kA, 2);
  TestSequence a = scene.prefilled(kA, some_tokens(64));
  EXPECT_EQ(cut(*scene.cache, a, 60), 32);
  expect_intact(*scene.cache, a);
  scene.set_quota(kA, 4);
  TestSequence b = scene.prefilled(kA, some_tokens(64, 500));
  EXPECT_EQ(scene.of(kA), Blocks(3, 1));
  EXPECT_EQ(cut(*scene.cache, b, 60), 60) << "in place of the idle one";
  expect_intact(*scene.cache, b);
  EXPECT_EQ(scene.of(kA), Blocks(3, 1));
}

// Where that block's beginning sees what the window has passed, the rows before it do not suffice.
TEST(KvQuota, ACutWithoutRoomForACopyGoesBackToWhereAWindowIsWhole) {
  Scene scene({.shape = windowed_shape("f16", {{.window = 40}})});
  const uint64_t block = scene.cache->geometry().block_bytes(0);
  ASSERT_TRUE(scene.cache->set_quota(kA, 5 * block).ok());
  const auto text = some_tokens(97);
  scene.prefilled(kA, text).lease = {};
  TestSequence a = scene.begin(kA, text);
  ASSERT_EQ(a.length(), 96);
  ASSERT_TRUE(scene.cache->set_quota(kA, 2 * block).ok());
  ASSERT_EQ(scene.of(kA), Blocks(2, 0)) << "what was found has no more than it needs";
  EXPECT_EQ(cut(*scene.cache, a, 87), 0) << "a query at 64 sees from 25 on";
  expect_intact(*scene.cache, a);
  EXPECT_EQ(extend(*scene.cache, a, std::span(text).first(40)), Room::kOk);
  expect_intact(*scene.cache, a);
}

// Only owners with equal salts meet each other's blocks.
TEST(KvQuota, WhatIsFoundIsPaidForByWhoPaidUnlessItIsIdle) {
  Scene scene;
  scene.set_quota(kA, 10);
  scene.set_quota(kB, 3);
  const auto text = some_tokens(97);
  TestSequence a = scene.prefilled(kA, text);
  TestSequence b = scene.begin(kB, text);
  EXPECT_EQ(b.length(), 96);
  EXPECT_EQ(scene.of(kB), Blocks(0, 0)) << "another one holds them";
  a.lease = {};
  EXPECT_EQ(scene.of(kA), Blocks(0, 0)) << "nobody is charged with what others hold";
  EXPECT_EQ(scene.of(kB), Blocks(0, 0));
  b.lease = {};
  TestSequence c = scene.begin(kB, text);
  EXPECT_EQ(c.length(), 96);
  EXPECT_EQ(scene.of(kB), Blocks(3, 0)) << "they were idle";
  c.lease = {};
  scene.set_quota(kA, 2);
  TestSequence d = scene.begin(kA, text);
  EXPECT_EQ(d.length(), 0) << "all three are too many, and a match does not choose";
  EXPECT_EQ(scene.of(kB), Blocks(0, 3));
}

TEST(KvQuota, ALoweredQuotaTakesIdleBlocksAtOnceAndOthersWhenTheyAreLetGo) {
  Scene scene;
  scene.set_quota(kA, 10);
  scene.prefilled(kA, some_tokens(96)).lease = {};
  TestSequence a = scene.prefilled(kA, some_tokens(100, 1000));
  TestSequence b = scene.prefilled(kA, some_tokens(64, 2000));
  EXPECT_EQ(scene.of(kA), Blocks(6, 3));
  scene.set_quota(kA, 7);
  EXPECT_EQ(scene.of(kA), Blocks(6, 1));
  scene.set_quota(kA, 3);
  EXPECT_EQ(scene.of(kA), Blocks(6, 0));
  EXPECT_EQ(extend(*scene.cache, a, some_tokens(20)), Room::kOk) << "it has room for these";
  EXPECT_NE(extend(*scene.cache, a, some_tokens(20)), Room::kOk);
  b.lease = {};
  EXPECT_EQ(scene.of(kA), Blocks(4, 0)) << "nothing becomes idle beyond the quota";
  a.lease = {};
  EXPECT_EQ(scene.of(kA), Blocks(0, 3));
  expect_intact(*scene.cache, scene.prefilled(kA, some_tokens(90)));
}

TEST(KvQuota, HoldsForAllLayerGroupsTogether) {
  Scene scene({.shape = windowed_shape("f16", {{}, {.window = 64}})});
  const uint64_t all = scene.cache->geometry().block_bytes(0) + scene.cache->geometry().block_bytes(1);
  ASSERT_TRUE(scene.cache->set_quota(kA, 6 * all).ok());
  TestSequence a = scene.begin(kA, {});
  const auto text = some_tokens(400);
  EXPECT_EQ(scene.cache->reserve(a.lease, 192), Room::kOk);
  EXPECT_EQ(scene.cache->owner_counts(kA).charged_bytes(), 6 * all) << "the window's blocks are promised";
  EXPECT_EQ(scene.cache->reserve(a.lease, 193), Room::kExceedsQuota);
  // In small steps the group with a window gives back what it does not need.
  int64_t most = 0;
  for (; most < 400; most += 8) {
    if (extend(*scene.cache, a, std::span(text).subspan(static_cast<size_t>(most), 8)) != Room::kOk) break;
  }
  EXPECT_GT(most, 192);
  EXPECT_LE(scene.cache->owner_counts(kA).charged_bytes(), 6 * all);
  expect_intact(*scene.cache, a);
}

TEST(KvQuota, OwnersWithoutANameAreNobody) {
  Scene scene;
  EXPECT_TRUE(scene.cache->owner_counts().empty());
  const TestSequence a = scene.prefilled(kA, some_tokens(64));
  EXPECT_EQ(scene.of(kA), Blocks(0, 0));
  scene.set_quota(kA, 1);
  EXPECT_EQ(scene.of(kA), Blocks(0, 0)) << "it was opened for nobody";
  EXPECT_EQ(scene.cache->owner_counts().size(), 1u);
  const auto contiguous = make_cache({.storage = KvStorageKind::kContiguous, .context = 64});
  EXPECT_EQ(contiguous->set_quota(kA, 100).code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace cairn
