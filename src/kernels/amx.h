// Shared by the AMX files: the tile configuration and how it is loaded. For files that compile functions with
// CAIRN_AMX only.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#if !defined(CAIRN_AMX_TARGET)  // tests emulate it on less
#define CAIRN_AMX_TARGET                                                      \
  "amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vnni," \
  "avx512bf16,avx2,fma,f16c"
#endif
#define CAIRN_AMX __attribute__((target(CAIRN_AMX_TARGET)))
#define CAIRN_AMX_INLINE __attribute__((target(CAIRN_AMX_TARGET), always_inline)) inline

namespace cairn {

// The 64 bytes that LDTILECFG reads.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int64_t row_count, int bytes) {
    rows[tile] = static_cast<uint8_t>(row_count);
    row_bytes[tile] = static_cast<uint16_t>(bytes);
  }
};

// gcc 12 assumes that the instruction reads only 8 bytes and drops the stores to the rest: hence the clobber.
CAIRN_AMX_INLINE void load_config(const TileConfig& config) {
  __asm__ volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}

// A tile load waits for its sixteen cache lines one after another if they are not in first-level cache, so
// they are prefetched. An address past the end does no harm.
template <int kLines>
CAIRN_AMX_INLINE void prefetch_lines(const void* at) {
  _Pragma("GCC unroll 64") for (int line = 0; line < kLines; ++line) {
    _mm_prefetch(static_cast<const char*>(at) + 64 * line, _MM_HINT_T0);
  }
}

// Thirty-two floats of a row; only the first `count` exist, and zeros follow.
struct Row32 {
  __m512 low, high;
};
CAIRN_AMX_INLINE Row32 load_row(const float* from, int64_t count) {
  const auto low = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1U << count) - 1U);
  const auto high = static_cast<__mmask16>(count >= 32   ? 0xFFFF
                                           : count <= 16 ? 0
                                                         : (1U << (count - 16)) - 1U);
  return {_mm512_maskz_loadu_ps(low, from), _mm512_maskz_loadu_ps(high, from + 16)};
}

// Nor does gcc 12 know that tile loads read memory: what they read must be written before them, and must not
// change before they are done.
CAIRN_AMX_INLINE void settle_memory() { __asm__ volatile("" : : : "memory"); }

}  // namespace cairn

#endif  // __x86_64__
