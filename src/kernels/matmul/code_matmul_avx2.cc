// Quantised weights by AVX2: VPMADDUBSW adds pairs of products in 16 bits, which is exact for levels up to 129
// (2 * 129 * 127 < 2^15), and leaves room there for the sums of several quads of columns where levels are smaller. Those of the
// types that use the whole byte are made signed and multiplied as |w| * sign(a, w).
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/matmul/code_matmul.h"
#include "kernels/matmul/code_panel.h"
#include "kernels/matmul/panel_streams.h"

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

// Quads of columns, at most eight, whose products with codes up to 127 can be added in 16 bits.
template <TensorType kType>
constexpr int kQuadsIn16Bits = [] {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int kHighest = kIsWholeByte<kType> ? 128
                           : kHasBook<kType>   ? 2 * kFormat.zero
                                               : (1 << kFormat.bits) - 1;
  int quads = 8;
  while (2 * 127 * kHighest * quads > 32767) quads /= 2;
  return quads;
}();

CAIRN_AVX2_INLINE __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }
CAIRN_AVX2_INLINE __m256i in_each_byte(int byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }

CAIRN_AVX2_INLINE __m256i levels_of(const CodeBook& book) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(book.data())));
}

// Bits `kMask` << `kPlace` of the bytes of v, moved there from `kFrom` bits above it (below it, where negative).
template <int kMask, int kPlace, int kFrom>
CAIRN_AVX2_INLINE __m256i bits_at(const __m256i& v) {
  __m256i moved = v;
  if constexpr (kFrom > 0) moved = _mm256_srli_epi32(v, kFrom);
  if constexpr (kFrom < 0) moved = _mm256_slli_epi32(v, -kFrom);
  return _mm256_and_si256(moved, in_each_byte(kMask << kPlace));
}

// A group of 32 columns in the file's packed form or expanded: levels<q>(first) are those of columns 4 q ... 4 q + 3 of eight
// outputs, a byte each.
template <TensorType kType>
struct PackedGroup {
  const std::byte* planes;  // packed_matrix.h

  template <int q>
  [[nodiscard]] CAIRN_AVX2_INLINE __m256i levels(int first) const {
    constexpr int kBits = code_format(kType).bits;
    const std::byte* plane = planes + 4 * first;
    if constexpr (kBits == 8) return load(plane + 64 * q);
    __m256i found = _mm256_setzero_si256();
    if constexpr ((kBits & 4) != 0) {
      found = bits_at<15, 0, q / 4 * 4>(load(plane + 64 * (q % 4)));
      plane += 256;
    }
    if constexpr ((kBits & 2) != 0) {
      constexpr int kPlace = kBits & 4;
      found = _mm256_or_si256(found, bits_at<3, kPlace, q / 2 * 2 - kPlace>(load(plane + 64 * (q % 2))));
      plane += 128;
    }
    if constexpr ((kBits & 1) != 0) {
      constexpr int kPlace = kBits & 6;
      found = _mm256_or_si256(found, bits_at<1, kPlace, q - kPlace>(load(plane)));
    }
    if constexpr (kHasBook<kType>) found = _mm256_shuffle_epi8(levels_of(*code_format(kType).book), found);
    return found;
  }
};
struct ExpandedGroup {
  const uint8_t* codes;

  [[nodiscard]] CAIRN_AVX2_INLINE __m256i levels(int q, int first) const {
    return load(codes + 64 * q + 4 * first);
  }
};

// Weights of eight outputs, four columns each, ready for VPMADDUBSW.
template <TensorType kType>
struct Weights {
  __m256i sizes;  // unsigned
  __m256i signs;  // of whole bytes only

  CAIRN_AVX2_INLINE explicit Weights(const __m256i& levels) : sizes(levels) {
    if constexpr (kIsWholeByte<kType>) {
      signs = _mm256_xor_si256(sizes, in_each_byte(0x80));
      sizes = _mm256_abs_epi8(signs);
    }
  }
  // Sums of two products in each of sixteen 16-bit lanes.
  [[nodiscard]] CAIRN_AVX2_INLINE __m256i times(__m256i a) const {
    if constexpr (kIsWholeByte<kType>) a = _mm256_sign_epi8(a, signs);
    return _mm256_maddubs_epi16(sizes, a);
  }
};

// Adds four columns of eight outputs times kRows rows, in 16 bits.
template <TensorType kType, int kRows>
CAIRN_AVX2_INLINE void add_quad(const __m256i& levels, const int8_t* a, __m256i (&pairs)[kRows]) {
  const Weights<kType> w(levels);
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
    pairs[r] = _mm256_add_epi16(pairs[r], w.times(quads(a + 32 * r)));
  }
}
// To 32 bits, and leaves zeros.
template <int kRows>
CAIRN_AVX2_INLINE void move_pairs(__m256i (&pairs)[kRows], __m256i (&dot)[kRows]) {
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
    dot[r] = _mm256_add_epi32(dot[r], _mm256_madd_epi16(pairs[r], _mm256_set1_epi16(1)));
    pairs[r] = _mm256_setzero_si256();
  }
}
// Quads q ... kEnd - 1 of a group, by way of `pairs`, which are zeros.
template <TensorType kType, int kRows, int q, int kEnd>
CAIRN_AVX2_INLINE void add_quads(const PackedGroup<kType>& group, int first, const int8_t* a,
                                 __m256i (&pairs)[kRows], __m256i (&dot)[kRows]) {
  add_quad<kType>(group.template levels<q>(first), a + 4 * q, pairs);
  if constexpr ((q + 1) % kQuadsIn16Bits<kType> == 0 || q + 1 == kEnd) move_pairs(pairs, dot);
  if constexpr (q + 1 < kEnd) add_quads<kType, kRows, q + 1, kEnd>(group, first, a, pairs, dot);
}
template <TensorType kType, int kRows, int kFirst, int kEnd>
CAIRN_AVX2_INLINE void add_quads(const ExpandedGroup& group, int first, const int8_t* a,
                                 __m256i (&pairs)[kRows], __m256i (&dot)[kRows]) {
  constexpr int kStep = std::min(kQuadsIn16Bits<kType>, kEnd - kFirst);
  // Unrolled further, gcc keeps all products until the end and spills them.
  _Pragma("GCC unroll 2") for (int q = kFirst; q < kEnd; q += kStep) {
    _Pragma("GCC unroll 2") for (int i = q; i < q + kStep; ++i) {
      add_quad<kType>(group.levels(i, first), a + 4 * i, pairs);
    }
    move_pairs(pairs, dot);
  }
}

// Those columns of a group that share a scale, times kRows rows; `i`: the group and the first row in x; `sums`: [kRows][16].
template <TensorType kType, int kRows, int kPart, typename Group>
CAIRN_AVX2_INLINE void add_part(const Group& group, const float* scales, const float* minima,
                                const Operand& x, int64_t i, float (*sums)[16]) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr bool kIsHalf = kFormat.group == 16;
  constexpr int kZero = kIsWholeByte<kType> ? 0 : kFormat.zero;  // whole bytes are made signed instead
  const auto total = [&](int r) {
    const int32_t* halves = x.sums + 2 * (i + r);
    return kIsHalf ? halves[kPart] : halves[0] + halves[1];
  };
  // Eight outputs at a time: the sums of sixteen do not fit in registers.
  for (int first = 0; first < 16; first += 8) {
    __m256i dot[kRows], pairs[kRows];
    CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
      pairs[r] = _mm256_setzero_si256();
      dot[r] = _mm256_set1_epi32(kZero == 0 ? 0 : -kZero * total(r));
    }
    add_quads<kType, kRows, 4 * kPart, 4 * kPart + (kIsHalf ? 4 : 8)>(group, first, x.codes + 32 * i, pairs,
                                                                      dot);
    const __m256 scale = _mm256_load_ps(scales + first);
    CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
      const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dot[r]), scale);
      __m256 sum = _mm256_load_ps(sums[r] + first);
      sum = _mm256_fmadd_ps(scaled, _mm256_set1_ps(x.scales[i + r]), sum);
      if constexpr (kFormat.has_min) {
        const __m256 codes_sum = _mm256_set1_ps(x.scales[i + r] * static_cast<float>(total(r)));
        sum = _mm256_fmadd_ps(_mm256_load_ps(minima + first), codes_sum, sum);
      }
      _mm256_store_ps(sums[r] + first, sum);
    }
  }
}

// `scales`, `minima`: of the group's first columns, and where they are shared by 16, behind them of the others.
template <TensorType kType, int kRows, typename Group>
CAIRN_AVX2_INLINE void add_group(const Group& group, const float (*scales)[16], const float (*minima)[16],
                                 const Operand& x, int64_t i, float (*sums)[16]) {
  add_part<kType, kRows, 0>(group, scales[0], minima[0], x, i, sums);
  if constexpr (code_format(kType).group == 16)
    add_part<kType, kRows, 1>(group, scales[1], minima[1], x, i, sums);
}

// Adds `unit` to kRows rows of sums; codes and scales of a group are read once for all rows. `group_rows`:
// the distance of one group of columns from the next in x.
template <TensorType kType, int kRows>
CAIRN_AVX2 void add_rows(const CodeUnit& unit, const Operand& x, int64_t index, int64_t group_rows,
                         float (*sums)[16]) {
  constexpr int kParts = 32 / code_format(kType).group;
  for (int64_t g = 0; g < unit.groups; ++g) {
    const uint8_t* levels = unit.levels + g * unit.level_step;
    // Read in place, a unit is asked for as the one eight before it is used: all at once would fill the queue of loads.
    if constexpr (kType == TensorType::kQ8_0)
      prefetch_unit<kType>(reinterpret_cast<const std::byte*>(levels));
    add_group<kType, kRows>(ExpandedGroup{levels}, unit.scales + g * kParts, unit.minima + g * kParts, x,
                            index + g * group_rows, sums);
  }
}

struct Avx2 {
  CAIRN_AVX2 static void widen(const std::byte* from, float* to) {
    const auto* halves = reinterpret_cast<const __m128i*>(from);
    _mm256_store_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(halves)));
    _mm256_store_ps(to + 8, _mm256_cvtph_ps(_mm_loadu_si128(halves + 1)));
  }
  CAIRN_AVX2 static void look_up(const CodeBook& book, uint8_t* codes) {
    for (int i = 0; i < 512; i += 32) {
      auto* const at = reinterpret_cast<__m256i*>(codes + i);
      _mm256_store_si256(at, _mm256_shuffle_epi8(levels_of(book), _mm256_load_si256(at)));
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

// An operand of kRows rows, its weights from memory to registers: kPanels panels side by side.
template <TensorType kType, int kRows, int kPanels>
CAIRN_AVX2 void few_rows_block(const PackedMatrix& w, const Operand& x, int64_t panel, float* out,
                               int64_t stride) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr int64_t kUnitGroups = unit_columns(kFormat) / 32;
  constexpr int64_t kGroupBytes = unit_bytes(kType) / kUnitGroups;
  constexpr int64_t kBytesAhead = 2048;
  const int64_t bytes = panel_bytes(kType, w.columns);
  const std::byte* const data = w.data + panel * bytes;
  ExpandedScales unit[kPanels];
  alignas(64) float sums[kPanels][kRows][16] = {};
  int64_t i = 0;
  for (int64_t at = 0; at < bytes; at += unit_bytes(kType)) {
    CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) expand_scales<kType, Avx2>(data + p * bytes + at, unit[p]);
    for (int64_t g = 0; g < kUnitGroups; ++g, i += kRows) {
      const int64_t ahead = place_ahead(at + g * kGroupBytes, kBytesAhead, bytes, kPanels);
      const int64_t s = g * (32 / kFormat.group);
      CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) {
        for (int64_t b = 0; b < kGroupBytes; b += 64) __builtin_prefetch(data + p * bytes + ahead + b);
        const PackedGroup<kType> group{data + p * bytes + at + 64 * kFormat.bits * g};
        add_group<kType, kRows>(group, unit[p].scales + s, unit[p].minima + s, x, i, sums[p]);
      }
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    const int64_t column = (panel + p) * kPanelRows;
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(out + r * stride + column, sums[p][r],
                  static_cast<size_t>(std::min(w.rows - column, kPanelRows)) * sizeof(float));
    }
  }
}

template <TensorType kType, int kRows, int kPanels>
void few_rows(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  visit_panels<kPanels>(
      tile, [&](int64_t panel) { few_rows_block<kType, kRows, kPanels>(w, x, panel, out, stride); },
      [&](int64_t panel) { few_rows_block<kType, kRows, 1>(w, x, panel, out, stride); });
}

}  // namespace

void code_matmul_avx2(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                      int64_t stride) {
  if (x.row_count > 2) return sum_panels<Avx2>(w, x, tile, out, stride);
  visit_code_type(w.type, [&](auto type) {
    constexpr TensorType kType = decltype(type)::value;
    if (x.row_count == 1) return few_rows<kType, 1, 4>(w, x, tile, out, stride);
    few_rows<kType, 2, 4>(w, x, tile, out, stride);
  });
}

}  // namespace cairn

#endif  // __x86_64__
