#include "kernels/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace cairn {
namespace {

// The value of a half, by ldexp rather than bits.
float meaning_of_f16(uint16_t h) {
  const int exponent = h >> 10 & 31;
  const int mantissa = h & 1023;
  const float sign = (h & 0x8000) != 0 ? -1.0F : 1.0F;
  if (exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<float>::infinity()
                         : std::numeric_limits<float>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
}

TEST(Float16, EveryHalfMeansWhatTheFormatSays) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float got = f16_to_float(static_cast<uint16_t>(h));
    const float want = meaning_of_f16(static_cast<uint16_t>(h));
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << h;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want)) << h;
    }
  }
}

TEST(Float16, EveryHalfComesBack) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const auto half = static_cast<uint16_t>(h);
    const float f = f16_to_float(half);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(f)))) << h;
    } else {
      ASSERT_EQ(float_to_f16(f), half);
    }
    const float b = bf16_to_float(half);
    if (std::isnan(b)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(b)))) << h;
    } else {
      ASSERT_EQ(float_to_bf16(b), half);
    }
  }
}

// Between two neighbouring halves the nearer is taken, and the even one in the middle; checked just below,
// at and just above each middle, denormals included.
TEST(Float16, RoundsToNearestEven) {
  for (uint32_t h = 0; h < 0x7BFF; ++h) {
    const auto low = static_cast<uint16_t>(h);
    const auto high = static_cast<uint16_t>(h + 1);
    const float middle = (f16_to_float(low) + f16_to_float(high)) / 2;  // exact: one bit more than a half has
    const auto even = (h & 1) == 0 ? low : high;
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 0.0F)), low) << h;
    ASSERT_EQ(float_to_f16(middle), even) << h;
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 1e9F)), high) << h;
    ASSERT_EQ(float_to_f16(-middle), even | 0x8000) << h;
  }
}

TEST(Float16, RoundsBf16ToNearestEven) {
  for (uint32_t h = 0; h < 0x7F7F; ++h) {
    const uint32_t middle = h << 16 | 0x8000U;
    const auto even = static_cast<uint16_t>((h & 1) == 0 ? h : h + 1);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle - 1)), h);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle)), even);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle + 1)), h + 1);
  }
}

TEST(Float16, KnownValues) {
  EXPECT_EQ(float_to_f16(1.0F), 0x3C00);
  EXPECT_EQ(float_to_f16(-2.0F), 0xC000);
  EXPECT_EQ(float_to_f16(65504.0F), 0x7BFF);
  EXPECT_EQ(float_to_f16(65519.99F), 0x7BFF);
  EXPECT_EQ(float_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_f16(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(float_to_f16(0x1p-24F), 0x0001);
  EXPECT_EQ(float_to_f16(0x1p-25F), 0x0000);
  EXPECT_EQ(float_to_f16(-0.0F), 0x8000);
  EXPECT_EQ(float_to_bf16(1.0F), 0x3F80);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(std::bit_cast<float>(0x7F800001U)))));
}

}  // namespace
}  // namespace cairn
