// Shared by the files for AVX-512 and AMX. For files that compile functions with CAIRN_AVX512 or CAIRN_AMX
// only.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#if !defined(CAIRN_AVX512_TARGET)  // tests emulate it on less
#define CAIRN_AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vnni,avx2,fma,f16c"
#endif
#define CAIRN_AVX512 __attribute__((target(CAIRN_AVX512_TARGET), flatten))
#define CAIRN_AVX512_INLINE inline __attribute__((target(CAIRN_AVX512_TARGET), always_inline))

namespace cairn {

// Sixteen f16 to float.
CAIRN_AVX512_INLINE __m512 half_scales(const uint8_t* at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

// Two lines of numbers, cut to bf16, as sixteen pairs: the upper halves of their bits.
CAIRN_AVX512_INLINE __m512i cut_pairs(const __m512& even, const __m512& odd) {
  constexpr int kOrAnd = 0xF8;  // a | (b & c)
  return _mm512_ternarylogic_epi32(_mm512_srli_epi32(_mm512_castps_si512(even), 16), _mm512_castps_si512(odd),
                                   _mm512_set1_epi32(static_cast<int32_t>(0xFFFF0000U)), kOrAnd);
}

// Stores sixteen floats of a row, of the last panel only as many as it has rows: the first `count`.
CAIRN_AVX512_INLINE void store_sum(const __m512& sum, int64_t count, float* out) {
  const auto mask = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1U << count) - 1U);
  _mm512_mask_storeu_ps(out, mask, sum);
}

}  // namespace cairn

#endif  // __x86_64__
