#include "cli/bench.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace cairn
