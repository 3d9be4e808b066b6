// The tile instructions with a tile's number as template argument: the intrinsics take nothing but a literal.
// By convention tiles 0-3 hold sums, 4-5 rows of factors, 6-7 weights. Only for files that compile functions with CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include "kernels/amx.h"

namespace cairn {
namespace {  // NOLINT(google-build-namespaces): every file that includes it compiles its own, as tests do

template <int kTile>
CAIRN_AMX_INLINE void zero_tile() {
  static_assert(kTile >= 0 && kTile < 4);
  if constexpr (kTile == 0) _tile_zero(0);
  if constexpr (kTile == 1) _tile_zero(1);
  if constexpr (kTile == 2) _tile_zero(2);
  if constexpr (kTile == 3) _tile_zero(3);
}

template <int kTile>
CAIRN_AMX_INLINE void load_tile(const void* from, int64_t stride) {
  static_assert(kTile >= 0 && kTile < 8);
  const auto bytes = static_cast<size_t>(stride);
  if constexpr (kTile == 0) _tile_loadd(0, from, bytes);
  if constexpr (kTile == 1) _tile_loadd(1, from, bytes);
  if constexpr (kTile == 2) _tile_loadd(2, from, bytes);
  if constexpr (kTile == 3) _tile_loadd(3, from, bytes);
  if constexpr (kTile == 4) _tile_loadd(4, from, bytes);
  if constexpr (kTile == 5) _tile_loadd(5, from, bytes);
  if constexpr (kTile == 6) _tile_loadd(6, from, bytes);
  if constexpr (kTile == 7) _tile_loadd(7, from, bytes);
}

// Factors that pass by: not kept in first-level cache, which is for what is used again.
template <int kTile>
CAIRN_AMX_INLINE void pass_tile(const void* from, int64_t stride) {
  static_assert(kTile == 4 || kTile == 5);
  const auto bytes = static_cast<size_t>(stride);
  if constexpr (kTile == 4) _tile_stream_loadd(4, from, bytes);
  if constexpr (kTile == 5) _tile_stream_loadd(5, from, bytes);
}

template <int kTile>
CAIRN_AMX_INLINE void store_tile(void* to, int64_t stride) {
  static_assert(kTile >= 0 && kTile < 4);
  const auto bytes = static_cast<size_t>(stride);
  if constexpr (kTile == 0) _tile_stored(0, to, bytes);
  if constexpr (kTile == 1) _tile_stored(1, to, bytes);
  if constexpr (kTile == 2) _tile_stored(2, to, bytes);
  if constexpr (kTile == 3) _tile_stored(3, to, bytes);
}

// Sums += rows x weights.
template <int kSums, int kRows, int kWeights>
CAIRN_AMX_INLINE void multiply_tiles() {
  static_assert(kSums < 4 && (kRows == 4 || kRows == 5) && (kWeights == 6 || kWeights == 7));
  constexpr int kFactors = 2 * (kRows - 4) + kWeights - 6;
#define CAIRN_MULTIPLY(sums)                                                \
  if constexpr (kSums == sums && kFactors == 0) _tile_dpbf16ps(sums, 4, 6); \
  if constexpr (kSums == sums && kFactors == 1) _tile_dpbf16ps(sums, 4, 7); \
  if constexpr (kSums == sums && kFactors == 2) _tile_dpbf16ps(sums, 5, 6); \
  if constexpr (kSums == sums && kFactors == 3) _tile_dpbf16ps(sums, 5, 7);
  CAIRN_MULTIPLY(0)
  CAIRN_MULTIPLY(1)
  CAIRN_MULTIPLY(2)
  CAIRN_MULTIPLY(3)
#undef CAIRN_MULTIPLY
}

}  // namespace
}  // namespace cairn

#endif  // __x86_64__
