#include "engine/log_softmax.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace cairn {
namespace {

TEST(LogNormaliser, IsTheLogarithmOfTheSumOfExponentials) {
  const auto [peak, log_sum] = log_normaliser(std::array{1.0F, 3.0F, -2.0F, 3.0F});
  EXPECT_EQ(peak, 3.0);
  EXPECT_NEAR(peak + log_sum, std::log(std::exp(1) + 2 * std::exp(3) + std::exp(-2)), 1e-14);
}

TEST(LogNormaliser, IsExactOfOneLogitHoweverLarge) {
  const auto [peak, log_sum] = log_normaliser(std::array{1e30F});
  EXPECT_EQ(peak, 1e30F);
  EXPECT_EQ(log_sum, 0.0);
}

TEST(LogNormaliser, IsTheSameOfDoubles) {
  const auto floats = log_normaliser(std::array{1.0F, 3.5F, -2.25F});
  const auto doubles = log_normaliser(std::array{1.0, 3.5, -2.25});
  EXPECT_EQ(floats.peak, doubles.peak);
  EXPECT_EQ(floats.log_sum, doubles.log_sum);
}

TEST(LogNormaliser, LeavesOutWhatIsForbidden) {
  const auto [peak, log_sum] = log_normaliser(std::array{2.0F, -INFINITY, 2.0F});
  EXPECT_EQ(peak, 2.0);
  EXPECT_NEAR(log_sum, std::log(2.0), 1e-15);
}

}  // namespace
}  // namespace cairn
