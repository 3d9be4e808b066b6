#include "base/exact_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace cairn {
namespace {

// Distance to the true value in units of the last place of a double; the truth comes from libm's long
// double functions, which carry at least 11 more bits.
double ulps(double got, long double truth) {
  const double rounded = static_cast<double>(truth);
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0.0 : 1e30;
  int exponent = 0;
  (void)std::frexp(rounded, &exponent);
  const long double ulp = std::ldexp(1.0L, std::max(exponent - 53, -1074));
  return static_cast<double>(std::fabs((static_cast<long double>(got) - truth) / ulp));
}

double between(double low, double high, int stream, int i) {
  return low + (high - low) * random_double(20260101, stream, i);
}

constexpr int kSamples = 40000;

TEST(ExactMath, ExpIsWithinOneUlp) {
  double worst = 0;
  for (int i = 0; i < kSamples; ++i) {
    for (double x : {between(-745, 709.7, 0, i), between(-20, 20, 1, i), between(-0.5, 0.5, 2, i)}) {
      worst = std::max(worst, ulps(exact::exp(x), std::exp(static_cast<long double>(x))));
    }
  }
  EXPECT_LT(worst, 1.0);
  EXPECT_EQ(exact::exp(0.0), 1.0);
  EXPECT_EQ(exact::exp(-0.0), 1.0);
  EXPECT_EQ(exact::exp(1000.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(exact::exp(-1000.0), 0.0);
  EXPECT_EQ(exact::exp(-std::numeric_limits<double>::infinity()), 0.0);
  EXPECT_TRUE(std::isnan(exact::exp(std::nan(""))));
  EXPECT_GT(exact::exp(-745.0), 0.0);  // the smallest subnormal
  EXPECT_TRUE(std::isfinite(exact::exp(709.78)));
}

TEST(ExactMath, LogIsWithinOneUlp) {
  double worst = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double anywhere = std::ldexp(between(1, 2, 3, i), static_cast<int>(between(-1074, 1023, 4, i)));
    for (double x : {anywhere, between(0.5, 2, 5, i), between(0.999, 1.001, 6, i), between(1, 1e6, 7, i)}) {
      worst = std::max(worst, ulps(exact::log(x), std::log(static_cast<long double>(x))));
    }
  }
  EXPECT_LT(worst, 1.0);
  EXPECT_EQ(exact::log(1.0), 0.0);
  EXPECT_EQ(exact::log(0.0), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(exact::log(-1.0)));
  EXPECT_EQ(exact::log(std::numeric_limits<double>::infinity()), std::numeric_limits<double>::infinity());
}

TEST(ExactMath, PowIsWithinOneUlp) {
  double worst = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double base = std::exp(between(-30, 30, 8, i));
    const double x = between(-24, 24, 9, i);
    worst = std::max(worst, ulps(exact::pow(base, x), std::pow(static_cast<long double>(base), x)));
    const double near_one = between(0.9, 1.1, 10, i), large = between(-6000, 6000, 11, i);
    worst = std::max(worst,
                     ulps(exact::pow(near_one, large), std::pow(static_cast<long double>(near_one), large)));
  }
  for (double theta : {1e4, 1e5, 5e5, 1e6, 1e7}) {  // RoPE's own
    for (int head_dim : {16, 64, 80, 96, 128, 256}) {
      for (int i = 0; i < head_dim; i += 2) {
        const double x = -static_cast<double>(i) / head_dim;
        worst = std::max(worst, ulps(exact::pow(theta, x), std::pow(static_cast<long double>(theta), x)));
      }
    }
  }
  EXPECT_LT(worst, 1.0);
  EXPECT_EQ(exact::pow(10000.0, 0.0), 1.0);
  EXPECT_EQ(exact::pow(10000.0, 1.0), 10000.0);
  EXPECT_EQ(exact::pow(2.0, 10.0), 1024.0);
  EXPECT_EQ(exact::pow(1.0, 1e300), 1.0);
  EXPECT_EQ(exact::pow(10.0, 400.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(exact::pow(10.0, -400.0), 0.0);
  EXPECT_TRUE(std::isnan(exact::pow(-1.0, 2.0)));
  EXPECT_TRUE(std::isnan(exact::pow(0.0, 2.0)));
}

TEST(ExactMath, SinAndCosAreWithinOneUlp) {
  double worst = 0;
  const auto look = [&worst](double x) {
    const auto wide = static_cast<long double>(x);
    worst = std::max({worst, ulps(exact::sin(x), std::sin(wide)), ulps(exact::cos(x), std::cos(wide))});
  };
  for (int i = 0; i < kSamples; ++i) {
    look(between(-1, 1, 12, i));
    look(between(-1e3, 1e3, 13, i));
    look(between(-1e6, 1e6, 14, i));
    look(between(-1e7, 1e7, 15, i));
    look(std::floor(between(0, 1e6, 16, i)));  // RoPE's fastest pair turns by the position itself
  }
  // Next to the multiples of pi/2, where one of the two is almost 0 and the reduction shows its worst.
  for (int k = 1; k < 6000000; k += 149) {
    const double x = static_cast<double>(k * 1.57079632679489661923132169163975144L);
    look(x);
    look(std::nextafter(x, 0.0));
  }
  EXPECT_LT(worst, 1.0);
}

TEST(ExactMath, SinAndCosRefuseWhatTheyCannotReduce) {
  EXPECT_TRUE(std::isfinite(exact::sin(exact::kMaxAngle)));
  EXPECT_TRUE(std::isnan(exact::sin(2 * exact::kMaxAngle)));
  EXPECT_TRUE(std::isnan(exact::cos(-2 * exact::kMaxAngle)));
  EXPECT_TRUE(std::isnan(exact::cos(std::numeric_limits<double>::infinity())));
  EXPECT_TRUE(std::isnan(exact::sin(std::nan(""))));
  EXPECT_EQ(exact::cos(0.0), 1.0);
  EXPECT_TRUE(std::signbit(exact::sin(-0.0)));
}

// The promise is the same bits everywhere: these were written down once, on x86-64.
TEST(ExactMath, GivesTheSameBitsOnEveryMachine) {
  std::uint64_t digest = 0;
  const auto mix = [&digest](double value) {
    digest = random_bits(digest, 0, std::bit_cast<std::uint64_t>(value));
  };
  for (int i = 0; i < 2000; ++i) {
    mix(exact::exp(between(-700, 700, 20, i)));
    mix(exact::log(between(0, 1e6, 21, i)));
    mix(exact::pow(between(1, 1e6, 22, i), between(-2, 2, 23, i)));
    mix(exact::sin(between(-1e6, 1e6, 24, i)));
    mix(exact::cos(between(-1e6, 1e6, 25, i)));
  }
  EXPECT_EQ(digest, 0x3566e0bea20ec211u);
}

}  // namespace
}  // namespace cairn
