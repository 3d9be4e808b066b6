#include "base/recent_samples.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(RecentSamples, KnowsNothingBeforeTheFirst) { EXPECT_EQ(RecentSamples<3>().median(), std::nullopt); }

TEST(RecentSamples, TakesTheMiddleOfTheLastFew) {
  RecentSamples<3> samples;
  samples.add(7);
  EXPECT_EQ(samples.median(), 7);
  samples.add(3);
  EXPECT_EQ(samples.median(), 3);  // of two the lower
  samples.add(900);
  EXPECT_EQ(samples.median(), 7);
  samples.add(5);  // 7 is forgotten
  EXPECT_EQ(samples.median(), 5);
  samples.add(4);
  EXPECT_EQ(samples.median(), 5);
}

TEST(RecentSamples, ForgetsAllWhenTold) {
  RecentSamples<3> samples;
  for (const int64_t value : {1, 2, 3, 4}) samples.add(value);
  samples.clear();
  EXPECT_EQ(samples.median(), std::nullopt);
  samples.add(8);
  EXPECT_EQ(samples.median(), 8);
}

}  // namespace
}  // namespace cairn
