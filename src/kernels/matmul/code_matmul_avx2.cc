// Quantised weights by AVX2: VPMADDUBSW adds pairs of products in 16 bits, which is exact for levels up to 129
// (2 * 129 * 127 < 2^15); those of the types that use the whole byte are made signed and multiplied as |w| * sign(a, w).
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/matmul/code_matmul.h"
#include "kernels/matmul/code_panel.h"

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

template <TensorType kType>
constexpr bool kIsWholeByte = code_format(kType).zero == 128;

// Weights of eight outputs, four columns each, ready for VPMADDUBSW.
template <TensorType kType>
struct Weights {
  __m256i sizes;  // unsigned
  __m256i signs;  // of whole bytes only

  CAIRN_AVX2_INLINE explicit Weights(const uint8_t* levels)
      : sizes(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(levels))) {
    if constexpr (kIsWholeByte<kType>) {
      signs = _mm256_xor_si256(sizes, _mm256_set1_epi8(static_cast<char>(0x80)));
      sizes = _mm256_abs_epi8(signs);
    }
  }
  // dot + four products in each of eight 32-bit lanes.
  [[nodiscard]] CAIRN_AVX2_INLINE __m256i add_to(__m256i dot, __m256i a) const {
    if constexpr (kIsWholeByte<kType>) a = _mm256_sign_epi8(a, signs);
    const __m256i pairs = _mm256_maddubs_epi16(sizes, a);
    return _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

// Adds `unit` to kRows rows of sums; codes and scales of a group are read once for all rows. `group_rows`:
// the distance of one group of columns from the next in x.
template <TensorType kType, int kRows>
CAIRN_AVX2 void add_rows(const CodeUnit& unit, const Operand& x, int64_t index, int64_t group_rows,
                         float (*sums)[16]) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kParts = 32 / kFormat.group;
  constexpr int kQuads = 8 / kParts;
  constexpr int kZero = kIsWholeByte<kType> ? 0 : kFormat.zero;  // whole bytes are made signed instead
  for (int64_t part = 0; part < unit.groups * kParts; ++part) {
    const int64_t i = index + part / kParts * group_rows;
    const uint8_t* levels = unit.levels + part / kParts * unit.level_step + part % kParts * kQuads * 64;
    const int8_t* a = x.codes + 32 * i + part % kParts * kQuads * 4;
    // Read in place, a unit is asked for as the one eight before it is used: all at once would fill the queue of loads.
    if constexpr (kType == TensorType::kQ8_0 && kRows > 1)
      prefetch_unit<kType>(reinterpret_cast<const std::byte*>(levels));
    const auto total = [&](int r) {
      const int32_t* halves = x.sums + 2 * (i + r);
      return kParts == 2 ? halves[part % 2] : halves[0] + halves[1];
    };
    // Eight outputs at a time: the sums of sixteen do not fit in registers.
    for (int half = 0; half < 16; half += 8) {
      __m256i dot[kRows];
      CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
        dot[r] = _mm256_set1_epi32(kZero == 0 ? 0 : -kZero * total(r));
      }
      // Unrolled further, gcc keeps all products until the end and spills them.
      _Pragma("GCC unroll 2") for (int q = 0; q < kQuads; ++q) {
        const Weights<kType> w(levels + 64 * q + 4 * half);
        CAIRN_UNROLL for (int r = 0; r < kRows; ++r) dot[r] = w.add_to(dot[r], quads(a + 32 * r + 4 * q));
      }
      const __m256 scales = _mm256_load_ps(unit.scales[part] + half);
      CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
        const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dot[r]), scales);
        __m256 sum = _mm256_load_ps(sums[r] + half);
        sum = _mm256_fmadd_ps(scaled, _mm256_set1_ps(x.scales[i + r]), sum);
        if constexpr (kFormat.has_min) {
          const __m256 codes_sum = _mm256_set1_ps(x.scales[i + r] * static_cast<float>(total(r)));
          sum = _mm256_fmadd_ps(_mm256_load_ps(unit.minima[part] + half), codes_sum, sum);
        }
        _mm256_store_ps(sums[r] + half, sum);
      }
    }
  }
}

struct Avx2 {
  CAIRN_AVX2 static void widen(const std::byte* from, float* to) {
    const auto* halves = reinterpret_cast<const __m128i*>(from);
    _mm256_store_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(halves)));
    _mm256_store_ps(to + 8, _mm256_cvtph_ps(_mm_loadu_si128(halves + 1)));
  }
  CAIRN_AVX2 static void look_up(const CodeBook& book, uint8_t* codes) {
    const __m256i levels =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(book.data())));
    for (int i = 0; i < 512; i += 32) {
      auto* const at = reinterpret_cast<__m256i*>(codes + i);
      _mm256_store_si256(at, _mm256_shuffle_epi8(levels, _mm256_load_si256(at)));
    }
  }
  template <TensorType kType>
  CAIRN_AVX2 static void add_unit(const CodeUnit& unit, const Operand& x, int64_t index, int64_t rows,
                                  float (*sums)[16]) {
    int64_t row = 0;
    for (; row + 8 <= rows; row += 8) add_rows<kType, 8>(unit, x, index + row, rows, sums + row);
    for (; row + 4 <= rows; row += 4) add_rows<kType, 4>(unit, x, index + row, rows, sums + row);
    for (; row + 2 <= rows; row += 2) add_rows<kType, 2>(unit, x, index + row, rows, sums + row);
    for (; row < rows; ++row) add_rows<kType, 1>(unit, x, index + row, rows, sums + row);
  }
  template <TensorType kType>
  CAIRN_AVX2 static void panel(const PackedMatrix& w, const Operand& x, int64_t group, int64_t panel,
                               float* out, int64_t stride) {
    sum_panel<kType, Avx2>(w, x, group, panel, out, stride);
  }
};

// One row of q8_0: bound by reading the weights, which is faster in several streams. Four panels side by
// side, each read by its own instructions, by which prefetchers tell streams apart.
constexpr int64_t kStreams = 4;
CAIRN_AVX2 void q8_row(const PackedMatrix& w, const Operand& x, int64_t first_panel, float* out) {
  constexpr int64_t kUnitBytes = unit_bytes(TensorType::kQ8_0);
  const int64_t bytes = panel_bytes(TensorType::kQ8_0, w.columns);
  const std::byte* data = w.data + first_panel * bytes;
  alignas(64) float sums[kStreams][1][16] = {};
  alignas(64) float scales[kStreams][1][16];
  for (int64_t c = 0; c < x.column_groups(); ++c, data += kUnitBytes) {
    CAIRN_UNROLL for (int p = 0; p < kStreams; ++p) {
      const std::byte* at = data + p * bytes;
      Avx2::widen(at + 512, scales[p][0]);
      add_rows<TensorType::kQ8_0, 1>({reinterpret_cast<const uint8_t*>(at), 0, 1, scales[p], nullptr}, x, c,
                                     1, sums[p]);
    }
  }
  const int64_t left = w.rows - first_panel * kPanelRows;
  std::memcpy(out + first_panel * kPanelRows, sums,
              static_cast<size_t>(std::min(left, kStreams * kPanelRows)) * sizeof(float));
}

}  // namespace

void code_matmul_avx2(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                      int64_t stride) {
  MatmulTile rest = tile;
  if (w.type == TensorType::kQ8_0 && x.row_count == 1) {
    for (; rest.panel_count >= kStreams; rest.panel_count -= kStreams, rest.first_panel += kStreams) {
      q8_row(w, x, rest.first_panel, out);
    }
  }
  sum_panels<Avx2>(w, x, rest, out, stride);
}

}  // namespace cairn

#endif  // __x86_64__
