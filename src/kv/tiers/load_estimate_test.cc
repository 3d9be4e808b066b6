#include "kv/tiers/load_estimate.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(LoadEstimate, KnowsNothingOfComputingBeforeAPromptWasComputed) {
  const LoadEstimate estimate(1 << 20);
  EXPECT_FALSE(estimate.computing_ns(0, 100).has_value());
  // 1 GB/s and 0.1 ms; 100 MB/s and 1 ms.
  EXPECT_EQ(estimate.loading_ns(Tier::kDisk, 2), 2 * ((1U << 20) + 100'000U));
  EXPECT_EQ(estimate.loading_ns(Tier::kRemote, 1), 10U * (1U << 20) + 1'000'000U);
}

TEST(LoadEstimate, RowsCostWhatTheyCostAtTheirDepth) {
  LoadEstimate estimate(1000);
  estimate.note_computed(0, 100, 100'000);     // 1 us a row
  estimate.note_computed(4096, 100, 400'000);  // 4 us, from 4,096 to 8,191
  EXPECT_EQ(estimate.computing_ns(0, 512), 512'000U);
  EXPECT_EQ(estimate.computing_ns(4096, 4196), 400'000U);
  // Depths between are taken for the nearest; beyond, the deepest known.
  EXPECT_EQ(estimate.computing_ns(600, 700), 100'000U);
  EXPECT_EQ(estimate.computing_ns(100'000, 100'100), 400'000U);
  EXPECT_EQ(estimate.computing_ns(0, 8192), 1024U * 1000U + (8192U - 1024U) * 4000U);
}

TEST(LoadEstimate, FollowsWhatIsMeasured) {
  LoadEstimate estimate(1000);
  estimate.note_loaded(Tier::kDisk, 10, 10'000'000);  // the first replaces the assumption
  EXPECT_EQ(estimate.loading_ns(Tier::kDisk, 1), 1'000'000U);
  for (int i = 0; i < 30; ++i) estimate.note_loaded(Tier::kDisk, 1, 3'000'000);
  EXPECT_NEAR(static_cast<double>(estimate.loading_ns(Tier::kDisk, 1)), 3e6, 1e4);
  const uint64_t remote = estimate.loading_ns(Tier::kRemote, 1);
  EXPECT_EQ(remote, 10U * 1000U + 1'000'000U);  // the other tier is not concerned
}

TEST(LoadEstimate, ASlowTierIsTriedAgain) {
  LoadEstimate estimate(1000);
  estimate.note_computed(0, 100, 100'000);
  estimate.note_loaded(Tier::kDisk, 1, 1'000'000'000);
  int times = 0;
  while (estimate.loading_ns(Tier::kDisk, 1) > estimate.computing_ns(0, 32)) {
    estimate.note_passed_over(Tier::kDisk);
    ASSERT_LT(++times, 1000);
  }
  EXPECT_GT(times, 20);
}

}  // namespace
}  // namespace cairn
