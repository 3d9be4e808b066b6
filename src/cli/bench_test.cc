#include "cli/bench.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

TEST(CacheWork, IsWhatTheTextbookExampleCounts) {
  EXPECT_EQ(work_without_cache(5, 3, 100).positions, 18U);  // 5 + 6 + 7
  EXPECT_EQ(work_with_cache(5, 3, 100).positions, 7U);      // the last token is never fed back
}

TEST(CacheWork, CountsTheCausalTriangle) {
  EXPECT_EQ(work_without_cache(1, 1000, 1000).scores, 167'167'000U);
  EXPECT_EQ(work_without_cache(1, 4096, 4096).scores, 11'461'636'096U);
  EXPECT_EQ(work_with_cache(1, 1000, 1000).scores, 1000U * 1001U / 2U);
}

TEST(CacheWork, CountsNoMoreThanAWindowShows) {
  EXPECT_EQ(work_with_cache(1, 10, 3).scores, 1U + 2 + 8 * 3);
  EXPECT_EQ(work_without_cache(2, 3, 3).scores, (1U + 2) + (1 + 2 + 3) + (1 + 2 + 3 + 3));
  EXPECT_EQ(work_without_cache(1, 1, 3).scores, 1U);
}

TEST(EveryCodec, HoldsEachFormatOnceAndRotatesOnlyPowersOfTwo) {
  const std::vector<KvPlan> of_64 = every_codec({.head_dim = 64});
  const std::vector<KvPlan> of_96 = every_codec({.head_dim = 96});
  for (const KvFormatInfo& info : kKvFormats) {
    const auto is_of = [&](const KvPlan& plan) {
      return (*plan.resolve(1, 64))[0].keys.format == info.format;
    };
    EXPECT_EQ(std::ranges::count_if(of_64, is_of), kv_is_integer(info.format) ? 8 : 1) << info.name;
    EXPECT_EQ(std::ranges::count_if(of_96, is_of), kv_is_integer(info.format) ? 4 : 1) << info.name;
  }
  for (const KvPlan& plan : of_96) EXPECT_EQ(plan.text().find("hadamard"), std::string::npos) << plan.text();
}

TEST(CodecsToCompare, HoldEachFormatAndWhatTheHeadsAllow) {
  for (const int64_t head_dim : {64, 96}) {
    const std::vector<KvPlan> list = codecs_to_compare({.layer_count = 2, .head_dim = head_dim});
    for (const KvPlan& plan : kv_plans_of_every_format())
      EXPECT_EQ(std::ranges::count(list, plan), 1) << plan.text();
    for (const KvPlan& plan : list) EXPECT_TRUE(plan.resolve(2, head_dim).ok()) << plan.text();
  }
}

}  // namespace
}  // namespace cairn
