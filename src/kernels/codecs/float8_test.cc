#include "kernels/codecs/float8.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cairn {
namespace {

// The value of a byte, by ldexp rather than bits.
float meaning_of(uint8_t b, int mantissa_bits, int bias) {
  const int exponent = (b & 0x7F) >> mantissa_bits;
  const int mantissa = b & ((1 << mantissa_bits) - 1);
  const int whole = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
  const float magnitude = std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - bias - mantissa_bits);
  return (b & 0x80) != 0 ? -magnitude : magnitude;
}

// Every finite byte of a format: what it means, that it comes back, and that the middle between it and the
// next goes to the even one of the two.
template <uint8_t (*kFrom)(float), float (*kTo)(uint8_t)>
void check_all(int mantissa_bits, int bias, int largest) {
  for (int i = 0; i <= largest; ++i) {
    const auto b = static_cast<uint8_t>(i);
    const float x = meaning_of(b, mantissa_bits, bias);
    ASSERT_EQ(kTo(b), x) << i;
    ASSERT_EQ(kTo(static_cast<uint8_t>(b | 0x80)), -x) << i;
    ASSERT_EQ(kFrom(x), b);
    ASSERT_EQ(kFrom(-x), b | 0x80);
    if (i == largest) break;
    const auto next = static_cast<uint8_t>(i + 1);
    const float middle = (x + meaning_of(next, mantissa_bits, bias)) / 2;
    ASSERT_EQ(kFrom(std::nextafter(middle, 0.0F)), b) << i;
    ASSERT_EQ(kFrom(middle), i % 2 == 0 ? b : next) << i;
    ASSERT_EQ(kFrom(std::nextafter(middle, 1e9F)), next) << i;
    ASSERT_EQ(kFrom(-middle), (i % 2 == 0 ? b : next) | 0x80) << i;
  }
}

TEST(Float8, E4M3MeansComesBackAndRounds) {
  check_all<float_to_e4m3, e4m3_to_float>(3, 7, 0x7E);
  EXPECT_EQ(e4m3_to_float(0x7E), 448.0F);
  EXPECT_EQ(float_to_e4m3(1.0F), 0x38);
  EXPECT_EQ(float_to_e4m3(0x1p-9F), 0x01);
  EXPECT_EQ(float_to_e4m3(0x1p-149F), 0x00);
}

TEST(Float8, E5M2MeansComesBackAndRounds) {
  check_all<float_to_e5m2, e5m2_to_float>(2, 15, 0x7B);
  EXPECT_EQ(e5m2_to_float(0x7B), 57344.0F);
  EXPECT_EQ(float_to_e5m2(1.0F), 0x3C);
  EXPECT_EQ(float_to_e5m2(0x1p-16F), 0x01);
  EXPECT_EQ(float_to_e5m2(0x1p-149F), 0x00);
}

}  // namespace
}  // namespace cairn
