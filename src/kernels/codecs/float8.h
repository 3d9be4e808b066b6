// The two 8-bit floats in memory (OCP 8-bit Floating Point Specification, 2023), converted one at a time.
//   E4M3 (FN)  4 bits of exponent, bias 7, no infinity; largest 448, smallest normal 2^-6, denormals of 2^-9
//   E5M2       5 bits, bias 15, as f16 with two bits of mantissa; largest 57344, denormals of 2^-16
// Both are the upper bits of an f16: E5M2 as it stands, E4M3 with an exponent that is 8 less.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/float16.h"

namespace cairn {

[[nodiscard]] constexpr float e4m3_to_float(uint8_t b) {
  const auto half = static_cast<uint16_t>((b & 0x80U) << 8 | (b & 0x7FU) << 7);
  return f16_to_float(half) * 256.0F;
}
[[nodiscard]] constexpr float e5m2_to_float(uint8_t b) { return f16_to_float(static_cast<uint16_t>(b << 8)); }

// To the nearest, ties to even. |f| at most the largest number of the format; no NaN.
template <int kMantissaBits, int kBias>
[[nodiscard]] constexpr uint8_t float_to_f8(float f) {
  const auto u = std::bit_cast<uint32_t>(f);
  const uint32_t sign = u >> 24 & 0x80U;
  const uint32_t a = u & 0x7FFFFFFFU;
  if (a < uint32_t{128 - kBias} << 23) {  // below the smallest normal: rounded as multiples of one step,
    const uint32_t magic = uint32_t{127 + 24 - kBias - kMantissaBits} << 23;  // 2^23 steps
    const float shifted = std::bit_cast<float>(a) + std::bit_cast<float>(magic);
    return static_cast<uint8_t>(sign | (std::bit_cast<uint32_t>(shifted) - magic));
  }
  constexpr int kDropped = 23 - kMantissaBits;
  const uint32_t rounded = a + (1U << (kDropped - 1)) - 1 + (a >> kDropped & 1U);
  return static_cast<uint8_t>(sign | ((rounded >> kDropped) - (uint32_t{127 - kBias} << kMantissaBits)));
}
[[nodiscard]] constexpr uint8_t float_to_e4m3(float f) { return float_to_f8<3, 7>(f); }
[[nodiscard]] constexpr uint8_t float_to_e5m2(float f) { return float_to_f8<2, 15>(f); }

}  // namespace cairn
