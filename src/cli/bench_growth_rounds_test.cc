#include "cli/bench_growth_rounds.h"

#include <gtest/gtest.h>

#include <csignal>

namespace cairn {
namespace {

class GrowthRoundsTest : public testing::Test {
 protected:
  Console console_{Console::Colours::kNever};
  Interrupt interrupt_{Interrupt::SecondTime::kIsTheSame};
  LongRun progress_{console_, interrupt_, "testing"};
  GrowthRounds rounds_{{"a", "b"}, {1, 2, 4}};
};

TEST_F(GrowthRoundsTest, GoesUpAndDownAndLeavesTheFirstRoundOut) {
  std::vector<size_t> order;
  const auto measure = [&](size_t point) -> Result<std::vector<double>> {
    order.push_back(point);
    const size_t before = (order.size() - 1) / 3;
    const auto round = static_cast<double>(before);
    const double value = round == 0 ? 1e9 : round == 2 ? 7 : round;
    return std::vector<double>{value, 10 * static_cast<double>(point) + round};
  };
  ASSERT_TRUE(rounds_.run(3, progress_, measure).ok());
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0}));
  const std::vector<PlotSeries> series = rounds_.series();
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[0].name, "a");
  ASSERT_EQ(series[0].points.size(), 3U);
  for (size_t point = 0; point < 3; ++point) {
    EXPECT_EQ(series[0].points[point].x, int64_t{1} << point);
    EXPECT_EQ(series[0].points[point].median, 3);
    EXPECT_EQ(series[0].points[point].least, 1);
    EXPECT_EQ(series[0].points[point].most, 7);
    EXPECT_EQ(series[1].points[point].median, 10 * static_cast<double>(point) + 2);
  }
}

TEST_F(GrowthRoundsTest, AStopLeavesWhatThereIs) {
  int calls = 0;
  const auto measure = [&](size_t) -> Result<std::vector<double>> {
    if (++calls == 4) std::raise(SIGINT);  // the first point of the first round that counts
    return std::vector<double>{1, 2};
  };
  ASSERT_TRUE(rounds_.run(9, progress_, measure).ok());
  EXPECT_EQ(calls, 4);
  const std::vector<PlotSeries> series = rounds_.series();
  ASSERT_EQ(series[1].points.size(), 1U);
  EXPECT_EQ(series[1].points[0].x, 4);
  EXPECT_EQ(series[1].points[0].median, 2);
}

TEST_F(GrowthRoundsTest, AnErrorEndsIt) {
  int calls = 0;
  const auto measure = [&](size_t) -> Result<std::vector<double>> {
    if (++calls == 2) return resource_exhausted("no more");
    return std::vector<double>{1, 2};
  };
  EXPECT_EQ(rounds_.run(9, progress_, measure).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace cairn
