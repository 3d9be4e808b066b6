// What a packed unit (packed_matrix.h) has in it, read into 512-bit registers: levels of four columns at a time, and scales and
// minima of the columns that share them. A lane is an output; nothing is shuffled.
//
// Only for files that compile functions with CAIRN_AVX512 or CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/avx512.h"
#include "kernels/weights/code_types.h"
#include "kernels/weights/packed_matrix.h"

namespace cairn {
namespace {  // NOLINT(google-build-namespaces): every file that includes it compiles its own, as tests do

#if !defined(CAIRN_UNROLL)
#define CAIRN_UNROLL _Pragma("GCC unroll 16")
#endif

// Shifts left, or right where negative.
template <int kBits>
CAIRN_AVX512_INLINE __m512i shifted(const __m512i& v) {
  if constexpr (kBits > 0) return _mm512_slli_epi32(v, kBits);
  if constexpr (kBits < 0) return _mm512_srli_epi32(v, -kBits);
  return v;
}
CAIRN_AVX512_INLINE __m512i in_each_byte(uint32_t byte) {
  return _mm512_set1_epi32(static_cast<int32_t>(0x01010101U * byte));
}

// Levels of columns 4 q ... 4 q + 3, a byte each, from the planes of a group of 32 columns. Bits above the type's may
// hold anything, unless it has a book.
template <TensorType kType, int q>
CAIRN_AVX512_INLINE __m512i quad_levels(const std::byte* planes) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kBits = kFormat.bits;
  if constexpr (kBits == 8) return _mm512_loadu_si512(planes + 64 * q);
  constexpr int kLowerFirst = 0xCA;  // a ? b : c, bit by bit
  __m512i levels = _mm512_setzero_si512();
  if constexpr ((kBits & 4) != 0) {
    levels = shifted<(q < 4 ? 0 : -4)>(_mm512_loadu_si512(planes + 64 * (q % 4)));
    planes += 256;
  }
  if constexpr ((kBits & 2) != 0) {
    constexpr int kPlace = kBits & 4;
    const __m512i two = shifted<kPlace - q / 2 * 2>(_mm512_loadu_si512(planes + 64 * (q % 2)));
    levels = kPlace == 0
                 ? two
                 : _mm512_ternarylogic_epi32(in_each_byte((1U << kPlace) - 1U), levels, two, kLowerFirst);
    planes += 128;
  }
  if constexpr ((kBits & 1) != 0) {
    constexpr int kPlace = kBits & 6;
    const __m512i one = shifted<kPlace - q>(_mm512_loadu_si512(planes));
    levels = _mm512_ternarylogic_epi32(in_each_byte((1U << kPlace) - 1U), levels, one, kLowerFirst);
  }
  if constexpr (kHasBook<kType>) {
    const __m512i book =
        _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kFormat.book->data())));
    levels = _mm512_shuffle_epi8(book, _mm512_and_si512(levels, in_each_byte(15)));
  }
  return levels;
}

CAIRN_AVX512_INLINE __m512 byte_numbers(const std::byte* at, bool is_signed) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}
CAIRN_AVX512_INLINE __m512 half_numbers(const std::byte* at) {
  return half_scales(reinterpret_cast<const uint8_t*>(at));
}
// 2^(e - 128), denormals among them: from e = 2 on an exponent, below a single bit of the mantissa.
CAIRN_AVX512_INLINE __m512 exponent_scales(const std::byte* at) {
  const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  const __m512i field = _mm512_max_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), _mm512_setzero_si512());
  const __m512i bit =
      _mm512_srlv_epi32(_mm512_set1_epi32(1 << 23), _mm512_sub_epi32(_mm512_set1_epi32(2), e));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_slli_epi32(field, 23), bit));
}

// Scale and minimum of the columns that share them.
struct ScaleAndMinimum {
  __m512 scale;
  __m512 minimum;
};

// `unit`: unit_bytes(kType); `scale_group`: of so many columns as share a scale, in the unit.
template <TensorType kType>
CAIRN_AVX512_INLINE ScaleAndMinimum scale_of(const std::byte* unit, int64_t scale_group) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int64_t kGroups = unit_columns(kFormat) / kFormat.group;
  const std::byte* const after_codes = unit + 2 * kFormat.bits * unit_columns(kFormat);
  ScaleAndMinimum to{_mm512_setzero_ps(), _mm512_setzero_ps()};
  if constexpr (!kFormat.is_super) {
    to.scale =
        kFormat.scale == ScaleKind::kExponent ? exponent_scales(after_codes) : half_numbers(after_codes);
    if constexpr (kFormat.has_min) to.minimum = half_numbers(after_codes + 32);
    return to;
  }
  const std::byte* const sub = after_codes + 16 * scale_group;
  constexpr bool kNibbles = kType == TensorType::kQ2_K;  // scale and minimum share a byte
  const std::byte* const halves = after_codes + 16 * kGroups * (kFormat.has_min && !kNibbles ? 2 : 1);
  if constexpr (kNibbles) {
    const __m512i both = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sub)));
    to.scale = _mm512_cvtepi32_ps(_mm512_and_si512(both, _mm512_set1_epi32(15)));
    to.minimum = _mm512_cvtepi32_ps(_mm512_srli_epi32(both, 4));
  } else {
    to.scale = byte_numbers(sub, true);
    if constexpr (kFormat.has_min) to.minimum = byte_numbers(sub + 16 * kGroups, false);
  }
  to.scale = _mm512_mul_ps(half_numbers(halves), to.scale);
  if constexpr (kFormat.sub_scale_unit != 1.0F) {
    to.scale = _mm512_mul_ps(to.scale, _mm512_set1_ps(kFormat.sub_scale_unit));
  }
  if constexpr (kFormat.has_min) {
    to.minimum = _mm512_fnmadd_ps(half_numbers(halves + 32), to.minimum, _mm512_set1_ps(-0.0F));
  }
  return to;
}

}  // namespace
}  // namespace cairn

#endif  // __x86_64__
