// f16, bf16 and exponent bytes in memory, converted one at a time. Widening is exact, narrowing rounds to nearest even; the
// vector kernels must give the same bits. NaN stays NaN, overflow becomes infinity, f16 denormals are kept.
#pragma once

#include <bit>
#include <cstdint>

namespace cairn {

[[nodiscard]] constexpr float bf16_to_float(uint16_t h) { return std::bit_cast<float>(uint32_t{h} << 16); }

[[nodiscard]] constexpr uint16_t float_to_bf16(float f) {
  const auto u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((u >> 16) | 0x40U);  // quiet NaN
  return static_cast<uint16_t>((u + 0x7FFFU + ((u >> 16) & 1U)) >> 16);
}

// 2^(e - 128) of a byte e; the two smallest are denormal.
[[nodiscard]] constexpr float exponent_to_float(uint32_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1U) << 23);
}

[[nodiscard]] constexpr float f16_to_float(uint16_t h) {
  const uint32_t sign = uint32_t{h & 0x8000U} << 16;
  const uint32_t exponent = (h >> 10) & 0x1FU;
  const uint32_t mantissa = h & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent == 0) {  // zero or denormal: mantissa * 2^-24, exact in float
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
}

[[nodiscard]] constexpr uint16_t float_to_f16(float f) {
  const auto u = std::bit_cast<uint32_t>(f);
  const auto sign = static_cast<uint16_t>((u >> 16) & 0x8000U);
  const uint32_t a = u & 0x7FFFFFFFU;
  if (a > 0x7F800000U) return static_cast<uint16_t>(sign | 0x7E00U | ((a >> 13) & 0x3FFU));
  if (a >= 0x477FF000U) return static_cast<uint16_t>(sign | 0x7C00U);  // rounds past 65504
  if (a < 0x38800000U) {  // below 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits
    const float shifted = std::bit_cast<float>(a) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000U));
  }
  const uint32_t rounded = a + 0xFFFU + ((a >> 13) & 1U);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

}  // namespace cairn
