// Leases: what holds blocks, who may ask, and that a warm cache takes nothing from the heap.
#include <gtest/gtest.h>

#include <type_traits>

#include "base/allocation_count_testing.h"
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
  EXPECT_FALSE(static_cast<bool>(moved));
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

void step_through(KvCache& cache, const KvLease& lease, std::span<const TokenId> tokens) {
  KvStep step = cache.begin_step({{{lease.sequence(), std::ssize(tokens)}}});
  for (int64_t layer = 0; layer < cache.geometry().layer_count(); ++layer) {
    ASSERT_TRUE(step.open(layer).ok());
    step.close(layer);
  }
  step.commit(tokens);
}

// All that an engine asks of a cache in and between steps, with evictions, copies and unified blocks among it.
void live(KvCache& cache, std::span<const TokenId> tokens, const PrefixNames& names) {
  KvLease a = cache.match({.tokens = tokens, .names = names});
  KvLease b = cache.match({.tokens = tokens, .names = names});
  for (const KvLease* lease : {&a, &b}) {
    const auto length = static_cast<size_t>(cache.length(*lease));
    ASSERT_EQ(cache.reserve(*lease, static_cast<int64_t>(tokens.size())), Room::kOk);
    (void)cache.view(*lease);
    {
      const KvStep abandoned = cache.begin_step({{{lease->sequence(), 1}}});
    }
    ASSERT_EQ(cache.reserve(*lease, static_cast<int64_t>(tokens.size())), Room::kOk);
    step_through(cache, *lease, tokens.subspan(length));
  }
  if (!cache.keeps_rows()) return;
  KvLease copy = cache.fork(a);
  ASSERT_TRUE(static_cast<bool>(copy));
  cache.truncate(copy, 50);
  cache.truncate(a, cache.length(a) - 1);
  const auto length = static_cast<size_t>(cache.length(a));
  ASSERT_EQ(cache.reserve(a, static_cast<int64_t>(tokens.size())), Room::kOk);
  step_through(cache, a, tokens.subspan(length));
}

TEST(KvCache, TakesNothingFromTheHeapOnceWarm) {
  for (const KvStorageKind storage :
       {KvStorageKind::kNone, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    for (const PrefixSharing sharing : {PrefixSharing::kOn, PrefixSharing::kOff}) {
      for (const char* plan : {"f16", "int4"}) {
        auto cache = make_cache({.shape = small_shape(plan),
                                 .storage = storage,
                                 .sharing = sharing,
                                 .context = 130,
                                 .max_sequences = 3},
                                15);
        const std::vector<TokenId> tokens = some_tokens(1000);
        const auto live_on = [&](size_t first, size_t count) {
          const auto text = std::span(tokens).subspan(first, count);
          const PrefixNames names =
              cache->names_of(text, "tenant");  // the engine keeps them with its request
          const uint64_t before = allocation_count();
          live(*cache, text, names);
          return allocation_count() - before;
        };
        live_on(0, 60);  // room for longer ones is there from the start
        const KvCounts cold = cache->counts();
        uint64_t taken = 0;
        for (size_t i = 0; i < 50; ++i) {
          taken += live_on(i / 2 * 17, 130);  // every second time it is found
        }
        EXPECT_EQ(taken, 0U) << kv_storage_kind_name(storage) << ", " << plan;
        if (storage != KvStorageKind::kPaged || sharing == PrefixSharing::kOff) continue;
        EXPECT_GT(cache->counts().matched_positions, cold.matched_positions);
        EXPECT_GT(cache->counts().evicted_blocks, cold.evicted_blocks);
        EXPECT_GT(cache->counts().unified_blocks, cold.unified_blocks);
      }
    }
  }
}

}  // namespace
}  // namespace cairn
