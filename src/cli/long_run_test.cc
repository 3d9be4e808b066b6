#include "cli/long_run.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(LongRun, SaysDurationsAsPeopleDo) {
  EXPECT_EQ(about_duration(3), "5 s");
  EXPECT_EQ(about_duration(61), "65 s");
  EXPECT_EQ(about_duration(100), "2 min");
  EXPECT_EQ(about_duration(3601), "61 min");
  EXPECT_EQ(about_duration(7201), "2 h 10 min");
  EXPECT_EQ(about_duration(3 * 3600), "3 h 0 min");
}

TEST(LongRun, JudgesByWhatWasDoneOnceThatIsEnough) {
  EXPECT_EQ(expected_seconds(0, 100, 50), std::nullopt);
  EXPECT_EQ(expected_seconds(1, 100, 0.5), std::nullopt);
  EXPECT_EQ(expected_seconds(4, 100, 2), 50);
}

}  // namespace
}  // namespace cairn
