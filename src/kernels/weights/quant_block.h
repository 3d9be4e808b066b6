// Rounding, shared by the quantisers of weights and of the cache. For choose_codes.cc and kv_encode.cc only.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace cairn {

// To the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves the integer in the low
// mantissa bits.
[[nodiscard]] inline int32_t nearest_int(float x) {
  const auto bits = std::bit_cast<uint32_t>(x + 12582912.0F);
  return static_cast<int32_t>(bits & 0x7FFFFFU) - 0x400000;
}

// The same, clamped to a range within +-2^22. A NaN becomes `low`, which the order of the arguments ensures.
[[nodiscard]] inline int32_t nearest_in(float x, int32_t low, int32_t high) {
  return nearest_int(std::min(static_cast<float>(high), std::max(static_cast<float>(low), x)));
}

[[nodiscard]] inline float magnitude(float x) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7FFFFFFFU);
}

// 1 / scale for encoding; a zero scale encodes everything as its zero point.
[[nodiscard]] inline float inverse(float scale) { return scale == 0.0F ? 0.0F : 1.0F / scale; }

}  // namespace cairn
