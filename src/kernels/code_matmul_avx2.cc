// Quantised weights by AVX2: VPMADDUBSW adds pairs of products in 16 bits, which is exact for codes up to 129
// (2 * 129 * 127 < 2^15); q8_0's are made signed and multiplied as |w| * sign(a, w).
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "kernels/code_matmul.h"
#include "kernels/code_types.h"
#include "kernels/expand_codes.h"

#define CAIRN_AVX2 __attribute__((target("avx2,fma,f16c"), flatten))
#define CAIRN_AVX2_INLINE inline __attribute__((target("avx2,fma,f16c"), always_inline))
#define CAIRN_UNROLL _Pragma("GCC unroll 16")

namespace cairn {
namespace {

CAIRN_AVX2_INLINE __m256i quads(const int8_t* codes) {
  int32_t four;
  std::memcpy(&four, codes, 4);
  return _mm256_set1_epi32(four);
}

// dot += four products in each of eight 32-bit lanes.
template <TensorType kType>
CAIRN_AVX2_INLINE __m256i add_products(__m256i dot, __m256i codes, __m256i a) {
  __m256i pairs;
  if constexpr (kType == TensorType::kQ8_0) {
    const __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(0x80)));
    pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
  } else {
    pairs = _mm256_maddubs_epi16(codes, a);
  }
  return _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

CAIRN_AVX2_INLINE void store_sum(const float* sum, int64_t count, float* out) {
  std::memcpy(out, sum, static_cast<size_t>(count < 16 ? count : 16) * sizeof(float));
}

// One expanded unit, added to `sums` [kRows][16]; codes and scales of a group are read once for all rows.
template <TensorType kType, int kRows>
CAIRN_AVX2 void add_unit(const uint8_t* codes, int64_t code_step, const float (*all_scales)[16],
                         const float (*all_minima)[16], int64_t groups, const Operand& x, int64_t index,
                         int64_t group_rows, float* sums) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kParts = 32 / kFormat.group;
  constexpr int kZero = kType == TensorType::kQ8_0 ? 0 : kFormat.zero;  // q8_0 is made signed instead
  for (int64_t g = 0; g < groups; ++g, codes += code_step) {
    const int64_t i = index + g * group_rows;
    for (int part = 0; part < kParts; ++part) {
      __m256i dot[kRows][2];
      CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
        const int32_t* halves = x.sums + 2 * (i + r);
        const int32_t total = kParts == 2 ? halves[part] : halves[0] + halves[1];
        dot[r][0] = dot[r][1] = _mm256_set1_epi32(-kZero * total);
      }
      CAIRN_UNROLL for (int q = part * 8 / kParts; q < (part + 1) * 8 / kParts; ++q) {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 64 * q));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 64 * q + 32));
        CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
          const __m256i a = quads(x.codes + 32 * (i + r) + 4 * q);
          dot[r][0] = add_products<kType>(dot[r][0], low, a);
          dot[r][1] = add_products<kType>(dot[r][1], high, a);
        }
      }
      const int64_t s = g * kParts + part;
      CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
        const __m256 a_scale = _mm256_set1_ps(x.scales[i + r]);
        CAIRN_UNROLL for (int h = 0; h < 2; ++h) {
          __m256 sum = _mm256_loadu_ps(sums + 16 * r + 8 * h);
          const __m256 scaled =
              _mm256_mul_ps(_mm256_cvtepi32_ps(dot[r][h]), _mm256_loadu_ps(all_scales[s] + 8 * h));
          sum = _mm256_fmadd_ps(scaled, a_scale, sum);
          if constexpr (kFormat.has_min) {
            const int32_t* halves = x.sums + 2 * (i + r);
            const int32_t total = kParts == 2 ? halves[part] : halves[0] + halves[1];
            const __m256 codes_sum = _mm256_set1_ps(x.scales[i + r] * static_cast<float>(total));
            sum = _mm256_fmadd_ps(_mm256_loadu_ps(all_minima[s] + 8 * h), codes_sum, sum);
          }
          _mm256_storeu_ps(sums + 16 * r + 8 * h, sum);
        }
      }
    }
  }
}

// q8_0 is read in place (only its scales are widened), eight groups at a time; other types are expanded.
template <TensorType kType>
CAIRN_AVX2 void panel_product(const PackedMatrix& w, const Operand& x, int64_t g, int64_t panel, float* out,
                              int64_t stride) {
  constexpr bool kInPlace = kType == TensorType::kQ8_0;
  constexpr int64_t kUnitGroups = unit_columns(code_format(kType)) / 32;
  constexpr int64_t kStep = kInPlace ? 8 : kUnitGroups;
  const std::byte* data = w.data + panel * panel_bytes(kType, w.columns);
  const int64_t rows = x.rows_in_group(g);
  ExpandedUnit unit;
  alignas(64) float sums[kOperandRows][16] = {};
  for (int64_t c = 0; c < x.column_groups(); c += kStep) {
    const int64_t groups = x.column_groups() - c < kStep ? x.column_groups() - c : kStep;
    const auto* codes = reinterpret_cast<const uint8_t*>(data);
    if constexpr (kInPlace) {
      for (int64_t i = 0; i < groups; ++i) expand_halves(data + i * 544 + 512, unit.scales[i]);
      data += groups * 544;
    } else {
      expand_unit<kType>(data, unit);
      codes = unit.codes[0];
      data += unit_bytes(kType);
    }
    const int64_t code_step = kInPlace ? 544 : 512;
    const int64_t index = x.first_index(g) + c * rows;
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) {
      add_unit<kType, 4>(codes, code_step, unit.scales, unit.minima, groups, x, index + row, rows, sums[row]);
    }
    for (; row < rows; ++row) {
      add_unit<kType, 1>(codes, code_step, unit.scales, unit.minima, groups, x, index + row, rows, sums[row]);
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    store_sum(sums[row], w.rows - panel * 16, out + (g * kOperandRows + row) * stride + panel * 16);
  }
}

}  // namespace

void code_matmul_avx2(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                      int64_t stride) {
  visit_code_type(w.type, [&](auto type) {
    for (int64_t panel = tile.first_panel; panel < tile.first_panel + tile.panel_count; ++panel) {
      for (int64_t g = tile.first_group; g < tile.first_group + tile.group_count; ++g) {
        panel_product<decltype(type)::value>(w, x, g, panel, out, stride);
      }
    }
  });
}

}  // namespace cairn

#endif  // __x86_64__
