// What the quantisers of weights and of the cache share: rounding and scales. For small_quants.cc,
// k_quants.cc and kv_encode.cc only.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/float16.h"

namespace cairn {

// To the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves the integer in the low
// mantissa bits.
[[nodiscard]] inline int32_t nearest_int(float x) {
  const auto bits = std::bit_cast<uint32_t>(x + 12582912.0F);
  return static_cast<int32_t>(bits & 0x7FFFFFU) - 0x400000;
}

// The same, clamped to a range within +-2^22. A NaN becomes `low`: the order of the arguments sees to it.
[[nodiscard]] inline int32_t nearest_in(float x, int32_t low, int32_t high) {
  return nearest_int(std::min(static_cast<float>(high), std::max(static_cast<float>(low), x)));
}

[[nodiscard]] inline float magnitude(float x) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7FFFFFFFU);
}

// A scale as its block stores it: f16, and never infinite (a value past the range saturates instead).
[[nodiscard]] inline uint16_t scale_bits(float scale) {
  return float_to_f16(std::clamp(scale, -65504.0F, 65504.0F));
}

// 1 / scale for encoding; a zero scale encodes everything as its zero point.
[[nodiscard]] inline float inverse(float scale) { return scale == 0.0F ? 0.0F : 1.0F / scale; }

[[nodiscard]] inline float load_f16(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return f16_to_float(bits);
}

// Stores the scale and returns it as a reader will see it.
inline float store_f16(float scale, std::byte* at) {
  const uint16_t bits = scale_bits(scale);
  std::memcpy(at, &bits, sizeof bits);
  return f16_to_float(bits);
}

[[nodiscard]] inline uint32_t byte_at(const std::byte* at) { return std::to_integer<uint32_t>(*at); }

// The value of largest magnitude, with its sign.
[[nodiscard]] inline float peak(const float* x, int n) {
  float best = 0.0F;
  for (int i = 0; i < n; ++i) best = magnitude(x[i]) > magnitude(best) ? x[i] : best;
  return best;
}

}  // namespace cairn
