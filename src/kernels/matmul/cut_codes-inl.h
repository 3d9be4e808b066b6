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
#include "kernels/matmul/unit_codes-inl.h"

namespace cairn {
namespace {  // NOLINT(google-build-namespaces): every file that includes it compiles its own, as tests do

// 4-bit codes of even levels go from their word to their number; those of a book are looked up, as bytes.
template <TensorType kType>
inline constexpr bool kInWords = code_format(kType).bits == 4 && !kHasBook<kType>;

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
