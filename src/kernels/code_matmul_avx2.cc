// Quantised weights by AVX2: VPMADDUBSW adds pairs of products in 16 bits, which is exact for codes up to 129
// (2 * 129 * 127 < 2^15); q8_0's are made signed and multiplied as |w| * sign(a, w).
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "kernels/code_matmul.h"
#include "kernels/code_panel.h"

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

// `unit` added to kRows rows of sums; codes and scales of a group are read once for all rows. `group_rows`:
// how far one group of columns is from the next in x.
template <TensorType kType, int kRows>
CAIRN_AVX2 void add_rows(const CodeUnit& unit, const Operand& x, int64_t index, int64_t group_rows,
                         float (*sums)[16]) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kParts = 32 / kFormat.group;
  constexpr int kZero = kType == TensorType::kQ8_0 ? 0 : kFormat.zero;  // q8_0 is made signed instead
  const uint8_t* codes = unit.codes;
  for (int64_t g = 0; g < unit.groups; ++g, codes += unit.code_step) {
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
          __m256 sum = _mm256_loadu_ps(sums[r] + 8 * h);
          const __m256 scaled =
              _mm256_mul_ps(_mm256_cvtepi32_ps(dot[r][h]), _mm256_loadu_ps(unit.scales[s] + 8 * h));
          sum = _mm256_fmadd_ps(scaled, a_scale, sum);
          if constexpr (kFormat.has_min) {
            const int32_t* halves = x.sums + 2 * (i + r);
            const int32_t total = kParts == 2 ? halves[part] : halves[0] + halves[1];
            const __m256 codes_sum = _mm256_set1_ps(x.scales[i + r] * static_cast<float>(total));
            sum = _mm256_fmadd_ps(_mm256_loadu_ps(unit.minima[s] + 8 * h), codes_sum, sum);
          }
          _mm256_storeu_ps(sums[r] + 8 * h, sum);
        }
      }
    }
  }
}

struct Avx2 {
  template <TensorType kType>
  CAIRN_AVX2 static void add_unit(const CodeUnit& unit, const Operand& x, int64_t index, int64_t rows,
                                  float (*sums)[16]) {
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) add_rows<kType, 4>(unit, x, index + row, rows, sums + row);
    for (; row < rows; ++row) add_rows<kType, 1>(unit, x, index + row, rows, sums + row);
  }
  template <TensorType kType>
  CAIRN_AVX2 static void panel(const PackedMatrix& w, const Operand& x, int64_t group, int64_t panel,
                               float* out, int64_t stride) {
    sum_panel<kType, Avx2>(w, x, group, panel, out, stride);
  }
};

}  // namespace

void code_matmul_avx2(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                      int64_t stride) {
  sum_panels<Avx2>(w, x, tile, out, stride);
}

}  // namespace cairn

#endif  // __x86_64__
