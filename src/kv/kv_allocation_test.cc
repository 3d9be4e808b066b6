// A warm cache takes nothing from the heap, in steps and between them.
#include <gtest/gtest.h>

#include "base/allocation_count_testing.h"
#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

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
        const std::vector<int32_t> groups{0, plan == std::string_view("int4") ? 1 : 0};
        auto cache = make_cache({.shape = grouped_shape(plan, groups),
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

// Refusals, promises and the owner's idle blocks that go among it.
TEST(KvCache, TakesNothingFromTheHeapForAQuota) {
  constexpr KvOwner kOwner{7};
  for (const PrefixSharing sharing : {PrefixSharing::kOn, PrefixSharing::kOff}) {
    auto cache = make_cache({.shape = windowed_shape("f16", {{}, {.window = 64}}),
                             .sharing = sharing,
                             .context = 400,
                             .max_sequences = 6,
                             .step_rows = 400});
    ASSERT_TRUE(cache->set_quota(kOwner, cache->pool_bytes() / 20).ok());
    const auto text = some_tokens(300);
    const PrefixNames names = cache->names_of(text, {});
    uint64_t taken = 0;
    int64_t refused = 0;
    for (int round = 0; round < 6; ++round) {
      const uint64_t before = allocation_count();
      KvLease lease = cache->match({.tokens = text, .names = names, .owner = kOwner});
      while (cache->length(lease) < 290) {
        const int64_t length = cache->length(lease);
        if (cache->reserve(lease, length + 10) != Room::kOk) {
          ++refused;
          break;
        }
        step_through(*cache, lease, std::span(text).subspan(static_cast<size_t>(length), 10));
      }
      const KvLease copy = cache->fork(lease);
      cache->truncate(lease, cache->length(lease) - 3);
      if (round > 0) taken += allocation_count() - before;
    }
    EXPECT_EQ(taken, 0U);
    EXPECT_GT(refused, 0);
  }
}

TEST(KvStep, TakesNothingFromTheHeap) {
  for (const char* plan : {"f16", "k=int4:channel,v=int8:token", "f32; layer 1: int2:channel"}) {
    for (const KvStorageKind storage :
         {KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
      const std::vector<int32_t> groups{0, plan == std::string_view("f16") ? 0 : 1};
      auto cache = make_cache({.shape = grouped_shape(plan, groups),
                               .storage = storage,
                               .context = 256,
                               .max_sequences = 4,
                               .step_rows = 256});
      const std::array leases{cache->open(), cache->open(), cache->open()};
      const std::array<KvStepRows, 3> rows{
          {{leases[2].sequence(), 70}, {leases[0].sequence(), 5}, {leases[1].sequence(), 32}}};
      const std::vector<TokenId> tokens = some_tokens(107);
      for (int round = 0; round < 4; ++round) {
        for (const KvStepRows& part : rows) {
          const KvLease& lease = leases[static_cast<size_t>(part.sequence.value)];
          ASSERT_EQ(lease.sequence(), part.sequence);
          ASSERT_EQ(cache->reserve(lease, cache->length(lease) + part.row_count), Room::kOk);
        }
        const uint64_t before = allocation_count();
        {
          KvStep step = cache->begin_step(rows);
          for (const int64_t layer : {0, 1}) {
            ASSERT_TRUE(step.open(layer).ok());
            step.close(layer);
          }
          if (round % 2 == 0) step.commit(tokens);
        }
        EXPECT_EQ(allocation_count() - before, 0U) << kv_storage_kind_name(storage) << ", " << plan;
      }
      EXPECT_EQ(cache->counts().abandoned_steps, 2);
    }
  }
}

}  // namespace
}  // namespace cairn
