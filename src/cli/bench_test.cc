#include "cli/bench.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

TEST(CacheWork, IsWhatTheTextbookExampleCounts) {
  EXPECT_EQ(work_without_cache(5, 3).positions, 18U);  // 5 + 6 + 7
  EXPECT_EQ(work_with_cache(5, 3).positions, 7U);      // the last token is never fed back
}

TEST(CacheWork, CountsTheCausalTriangle) {
  EXPECT_EQ(work_without_cache(1, 1000).scores, 167'167'000U);
  EXPECT_EQ(work_without_cache(1, 4096).scores, 11'461'636'096U);
  EXPECT_EQ(work_with_cache(1, 1000).scores, 1000U * 1001U / 2U);
}

TEST(EveryCodec, HoldsEachFormatOnceAndRotatesOnlyPowersOfTwo) {
  const std::vector<KvPlan> of_64 = every_codec({.head_dim = 64});
  for (const KvPlan& plan : kv_plans_of_every_format())
    EXPECT_EQ(std::ranges::count(of_64, plan), 1) << plan.text();
  const std::vector<KvPlan> of_96 = every_codec({.head_dim = 96});
  EXPECT_EQ(of_96.size() + 1, of_64.size());
  for (const KvPlan& plan : of_96) EXPECT_EQ(plan.text().find("hadamard"), std::string::npos) << plan.text();
}

}  // namespace
}  // namespace cairn
