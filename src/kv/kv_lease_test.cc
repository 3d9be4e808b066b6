// Leases: what holds blocks, and who may ask.
#include <gtest/gtest.h>

#include <type_traits>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

static_assert(!std::is_copy_constructible_v<KvLease> && !std::is_copy_assignable_v<KvLease>);
static_assert(std::is_nothrow_move_constructible_v<KvLease> && std::is_nothrow_move_assignable_v<KvLease>);

uint64_t used_blocks(const KvCache& cache) { return cache.used_bytes() / cache.geometry().block_bytes(); }

TEST(KvLease, PinsWhileItLives) {
  auto cache = make_cache({.context = 128, .max_sequences = 2});
  EXPECT_FALSE(static_cast<bool>(KvLease()));
  {
    const TestSequence a = prefilled(*cache, some_tokens(70));
    EXPECT_TRUE(static_cast<bool>(a.lease));
    EXPECT_EQ(used_blocks(*cache), 3U);
  }
  EXPECT_EQ(used_blocks(*cache), 0U);
  EXPECT_TRUE(cache->check().ok());
}

TEST(KvLease, MovesItsPin) {
  auto cache = make_cache({.context = 128, .max_sequences = 2});
  TestSequence a = prefilled(*cache, some_tokens(70));
  KvLease moved = std::move(a.lease);
  EXPECT_FALSE(static_cast<bool>(a.lease));
  EXPECT_EQ(cache->length(moved), 70);
  a.lease = std::move(moved);
  EXPECT_FALSE(static_cast<bool>(moved));  // NOLINT(bugprone-use-after-move): what is left is what is tested
  expect_intact(*cache, a);

  TestSequence b = prefilled(*cache, some_tokens(40, 500));
  EXPECT_EQ(used_blocks(*cache), 5U);
  b.lease = std::move(a.lease);  // b's own blocks are let go
  EXPECT_EQ(used_blocks(*cache), 3U);
  EXPECT_EQ(cache->length(b.lease), 70);
  b.lease = {};
  EXPECT_EQ(used_blocks(*cache), 0U);
}

TEST(KvLease, OfOtherSequencesStaysValid) {
  auto cache = make_cache({.context = 64, .max_sequences = 3});
  TestSequence a = prefilled(*cache, some_tokens(50));
  TestSequence b = prefilled(*cache, some_tokens(50, 100));
  const TestSequence c = prefilled(*cache, some_tokens(50, 200));
  b.lease = {};
  expect_intact(*cache, a);
  expect_intact(*cache, c);
  b = prefilled(*cache, some_tokens(40, 300));  // takes b's old number
  expect_intact(*cache, a);
  expect_intact(*cache, b);
  expect_intact(*cache, c);
}

TEST(KvLeaseDeathTest, RefusesMisuse) {
  GTEST_FLAG_SET(death_test_style, "fast");
  auto cache = make_cache({.context = 70, .max_sequences = 2});
  auto other = make_cache({.context = 70, .max_sequences = 2});
  const TestSequence a = prefilled(*cache, some_tokens(40));
  const KvLease b = other->open();
  const KvLease none;
  EXPECT_DEATH((void)cache->length(none), "lease");
  EXPECT_DEATH((void)cache->reserve(b, 1), "lease");
  EXPECT_DEATH((void)cache->fork(none), "lease");
  EXPECT_DEATH((void)cache->reserve(a.lease, 71), "context");
  EXPECT_DEATH((void)cache->reserve(a.lease, -1), "positions");
  EXPECT_DEATH(cache->truncate(a.lease, 41), "length");
  EXPECT_DEATH(cache->truncate(a.lease, -1), "positions");
  EXPECT_DEATH((void)cache->view(none), "lease");
  EXPECT_DEATH((void)cache->match_report(b), "lease");
  EXPECT_DEATH(cache.reset(), "is_open");
}

// The block that ends the context has positions behind it.
TEST(KvLeaseDeathTest, RefusesRowsBehindTheContext) {
  GTEST_FLAG_SET(death_test_style, "fast");
  auto cache = make_cache({.context = 70});
  const TestSequence a = prefilled(*cache, some_tokens(70));
  EXPECT_EQ(cache->room(a.lease), 96);
  EXPECT_DEATH((void)cache->begin_step({{{a.lease.sequence(), 1}}}), "context");
}

}  // namespace
}  // namespace cairn
