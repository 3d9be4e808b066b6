// Quantised weights as the AMX product takes them: bf16 numbers, cut. A lane is an output; nothing is shuffled.
//
// A weight is  fma(2^e + level, scale, minimum - (2^e + zero) scale)  in f32: the level is put into the mantissa of 2^e,
// which needs no conversion. Then its lower half is cut off: two columns merge by a shift and a ternary logic, where
// rounding takes five instructions. What cutting takes, 1/360 of a number on average, is made up for in the rows
// (kCutGain); mxfp4 loses nothing. e is 15, 11 or 7 for 4-bit codes of even levels, by their place in a word; 8 for all other types. The
// number before it is cut is exact where the type has no minimum (iq3_s: within 2^-16 of a step between levels), else within
// 2^-9 of a step.
//
// The 32 columns of a group are taken in the order in which a plane of 4-bit codes gives them (packed_matrix.h), whatever
// the type: line i, of four, holds columns 4 i ... 4 i + 3, then 16 + 4 i ... 16 + 4 i + 3.
//
// Only for files that compile functions with CAIRN_AMX, under FlushDenormals.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels/amx.h"
#include "kernels/avx512.h"
#include "kernels/weights/packed_matrix.h"

namespace cairn {
namespace {  // NOLINT(google-build-namespaces): every file that includes it compiles its own, as tests do

#if !defined(CAIRN_UNROLL)
#define CAIRN_UNROLL _Pragma("GCC unroll 16")
#endif

// 4-bit codes of even levels go from their word to their number; those of a book are looked up, as bytes.
template <TensorType kType>
inline constexpr bool kInWords =
    kType == TensorType::kQ4_0 || kType == TensorType::kQ4_1 || kType == TensorType::kQ4_K;
template <TensorType kType>
inline constexpr bool kHasBook = code_format(kType).bits == 4 && !kInWords<kType>;

// Shifts left, or right where negative.
template <int kBits>
CAIRN_AMX_INLINE __m512i shifted(const __m512i& v) {
  if constexpr (kBits > 0) return _mm512_slli_epi32(v, kBits);
  if constexpr (kBits < 0) return _mm512_srli_epi32(v, -kBits);
  return v;
}
CAIRN_AMX_INLINE __m512i in_each_byte(uint32_t byte) {
  return _mm512_set1_epi32(static_cast<int32_t>(0x01010101U * byte));
}

// 2^kExponent + level as f32. The level's `kWidth` bits are those from `kFrom` on, in each lane of v; they come to where
// the mantissa's last bit counts 1.
template <int kExponent, int kWidth, int kFrom>
CAIRN_AMX_INLINE __m512 level_at(const __m512i& v) {
  constexpr int kPlace = 23 - kExponent;
  static_assert(kPlace + kWidth <= 23);
  const __m512i mask = _mm512_set1_epi32(((1 << kWidth) - 1) << kPlace);
  const __m512i power = _mm512_set1_epi32((127 + kExponent) << 23);
  constexpr int kAndOr = 0xEA;  // (a & b) | c
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(shifted<kPlace - kFrom>(v), mask, power, kAndOr));
}

// Levels of columns 4 q ... 4 q + 3, a byte each, from the planes of a group of 32 columns. Bits above the type's may
// hold anything, unless it has a book.
template <TensorType kType, int q>
CAIRN_AMX_INLINE __m512i quad_levels(const std::byte* planes) {
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

CAIRN_AMX_INLINE __m512 byte_numbers(const std::byte* at, bool is_signed) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}
CAIRN_AMX_INLINE __m512 half_numbers(const std::byte* at) {
  return half_scales(reinterpret_cast<const uint8_t*>(at));
}
// 2^(e - 128); what would be denormal is 0.
CAIRN_AMX_INLINE __m512 exponent_scales(const std::byte* at) {
  const __m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  const __m512i field = _mm512_max_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), _mm512_setzero_si512());
  return _mm512_castsi512_ps(_mm512_slli_epi32(field, 23));
}

// Scale and minimum of the columns that share them.
struct ScaleAndMinimum {
  __m512 scale;
  __m512 minimum;
};

// `unit`: unit_bytes(kType); `scale_group`: of so many columns as share a scale, in the unit.
template <TensorType kType>
CAIRN_AMX_INLINE ScaleAndMinimum scale_of(const std::byte* unit, int64_t scale_group) {
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
    to.minimum = _mm512_fnmadd_ps(half_numbers(halves + 32), to.minimum, _mm512_setzero_ps());
  }
  return to;
}

// minimum - (2^e + zero) scale
template <TensorType kType>
CAIRN_AMX_INLINE __m512 offset_for(int exponent, const ScaleAndMinimum& s) {
  const auto from = static_cast<float>((1 << exponent) + code_format(kType).zero);
  return _mm512_fnmadd_ps(_mm512_set1_ps(from), s.scale, s.minimum);
}

// Group `group` of 32 columns of a unit. weights(i): the eight columns of line i, before they are cut.
template <TensorType kType>
struct CutCodes {
  static constexpr CodeFormat kFormat = code_format(kType);
  static constexpr int kParts = 32 / kFormat.group;
  static constexpr int kExponents = kInWords<kType> ? 3 : 1;

  const std::byte* planes;
  __m512 scale[kParts];
  __m512 offset[kParts][kExponents];

  CAIRN_AMX_INLINE CutCodes(const std::byte* unit, int64_t group) : planes(unit + 64 * kFormat.bits * group) {
    CAIRN_UNROLL for (int part = 0; part < kParts; ++part) {
      const ScaleAndMinimum s = scale_of<kType>(unit, group * kParts + part);
      scale[part] = s.scale;
      if constexpr (kInWords<kType>) {
        CAIRN_UNROLL for (int e = 0; e < 3; ++e) offset[part][e] = offset_for<kType>(15 - 4 * e, s);
      } else {
        offset[part][0] = offset_for<kType>(8, s);
      }
    }
  }

  template <int i>
  CAIRN_AMX_INLINE void weights(__m512 to[8]) const {
    if constexpr (kInWords<kType>) {
      const __m512i v = _mm512_loadu_si512(planes + 64 * i);
      const __m512i up = _mm512_slli_epi32(v, 8), down = _mm512_srli_epi32(v, 12);
      to[0] = _mm512_fmadd_ps(level_at<15, 4, 8>(up), scale[0], offset[0][0]);
      to[1] = _mm512_fmadd_ps(level_at<15, 4, 8>(v), scale[0], offset[0][0]);
      to[2] = _mm512_fmadd_ps(level_at<7, 4, 16>(v), scale[0], offset[0][2]);
      to[3] = _mm512_fmadd_ps(level_at<11, 4, 12>(down), scale[0], offset[0][1]);
      to[4] = _mm512_fmadd_ps(level_at<11, 4, 12>(up), scale[0], offset[0][1]);
      to[5] = _mm512_fmadd_ps(level_at<11, 4, 12>(v), scale[0], offset[0][1]);
      to[6] = _mm512_fmadd_ps(level_at<15, 4, 8>(down), scale[0], offset[0][0]);
      to[7] = _mm512_fmadd_ps(level_at<7, 4, 16>(down), scale[0], offset[0][2]);
    } else {
      quad_weights<0>(quad_levels<kType, i>(planes), to);
      quad_weights<kParts - 1>(quad_levels<kType, i + 4>(planes), to + 4);
    }
  }

 private:
  template <int kPart>
  CAIRN_AMX_INLINE void quad_weights(const __m512i& levels, __m512 to[4]) const {
    constexpr int kWidth = kHasBook<kType> ? 8 : kFormat.bits;
    to[0] = _mm512_fmadd_ps(level_at<8, kWidth, 0>(levels), scale[kPart], offset[kPart][0]);
    to[1] = _mm512_fmadd_ps(level_at<8, kWidth, 8>(levels), scale[kPart], offset[kPart][0]);
    to[2] = _mm512_fmadd_ps(level_at<8, kWidth, 16>(levels), scale[kPart], offset[kPart][0]);
    to[3] = _mm512_fmadd_ps(level_at<8, kWidth, 24>(levels), scale[kPart], offset[kPart][0]);
  }
};

CAIRN_AMX_INLINE __m512 cut(const __m512& x) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int32_t>(0xFFFF0000U))));
}

// Lines of pairs, four a line of codes, of one line of a group.
template <TensorType kType, int i>
CAIRN_AMX_INLINE void decode_line(const CutCodes<kType>& codes, std::byte* tile) {
  __m512 w[8];
  codes.template weights<i>(w);
  CAIRN_UNROLL for (int j = 0; j < 4; ++j) {
    _mm512_store_si512(tile + 256 * i + 64 * j, cut_pairs(w[2 * j], w[2 * j + 1]));
  }
}

// Half of a tile (1,024 bytes) of pairs: lines 2 half and 2 half + 1 of group `group` of the unit.
template <TensorType kType>
CAIRN_AMX void decode_half_tile(const std::byte* unit, int64_t group, int64_t half,
                                std::byte* tile) noexcept {
  const CutCodes<kType> codes(unit, group);
  if (half == 0) {
    decode_line<kType, 0>(codes, tile);
    decode_line<kType, 1>(codes, tile);
  } else {
    decode_line<kType, 2>(codes, tile);
    decode_line<kType, 3>(codes, tile);
  }
}

}  // namespace
}  // namespace cairn

#endif  // __x86_64__
