// Quantised weights by VNNI: four unsigned codes times four signed activations into each of sixteen 32-bit
// sums. The codes' zero point is subtracted in advance: a sum starts at -zero * (sum of the activation
// codes).
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/avx512.h"
#include "kernels/matmul/code_matmul.h"
#include "kernels/matmul/code_panel.h"
#include "kernels/matmul/panel_streams.h"
#include "kernels/matmul/unit_codes-inl.h"

namespace cairn {
namespace {

CAIRN_AVX512_INLINE int32_t quad(const int8_t* codes) {
  int32_t four;
  std::memcpy(&four, codes, 4);
  return four;
}

// q8_0 as stored: kRows rows times kPanels panels over all columns, sums in registers throughout.
template <int kRows, int kPanels>
CAIRN_AVX512 void q8_block(const PackedMatrix& w, const Operand& x, int64_t group, int64_t row, int64_t panel,
                           float* out, int64_t stride) {
  const int64_t bytes = panel_bytes(TensorType::kQ8_0, w.columns);
  const auto* data = reinterpret_cast<const uint8_t*>(w.data + panel * bytes);
  const int64_t group_rows = x.rows_in_group(group);
  const int64_t start = x.first_index(group) + row;
  __m512 sum[kRows][kPanels];
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
    CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) sum[r][p] = _mm512_setzero_ps();
  }
  for (int64_t c = 0; c < x.column_groups(); ++c, data += unit_bytes(TensorType::kQ8_0)) {
    const int64_t i = start + c * group_rows;
    __m512i dot[kRows][kPanels];
    CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
      CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) dot[r][p] = _mm512_set1_epi32(x.offsets[i + r]);
    }
    CAIRN_UNROLL for (int q = 0; q < 8; ++q) {
      CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) {
        const __m512i codes = _mm512_loadu_si512(data + p * bytes + q * 64);
        CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
          const __m512i a = _mm512_set1_epi32(quad(x.codes + 32 * (i + r) + 4 * q));
          dot[r][p] = _mm512_dpbusd_epi32(dot[r][p], codes, a);
        }
      }
    }
    CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) {
      const __m512 scales = half_scales(data + p * bytes + 512);
      CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[r][p]), scales);
        sum[r][p] = _mm512_fmadd_ps(scaled, _mm512_set1_ps(x.scales[i + r]), sum[r][p]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      const int64_t column = (panel + p) * 16;
      store_sum(sum[r][p], w.rows - column, out + (group * kOperandRows + row + r) * stride + column);
    }
  }
}

template <int kRows, int kPanels>
void q8_panels(const PackedMatrix& w, const Operand& x, int64_t group, int64_t row, const MatmulTile& tile,
               float* out, int64_t stride) {
  visit_panels<kPanels>(
      tile, [&](int64_t panel) { q8_block<kRows, kPanels>(w, x, group, row, panel, out, stride); },
      [&](int64_t panel) { q8_block<kRows, 1>(w, x, group, row, panel, out, stride); });
}

void q8_matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  for (int64_t g = tile.first_group; g < tile.first_group + tile.group_count; ++g) {
    const int64_t rows = x.rows_in_group(g);
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) q8_panels<4, 2>(w, x, g, row, tile, out, stride);
    for (; row + 2 <= rows; row += 2) q8_panels<2, 4>(w, x, g, row, tile, out, stride);
    for (; row < rows; ++row) q8_panels<1, 8>(w, x, g, row, tile, out, stride);
  }
}

// A group of 32 columns of a unit, in the file's packed form or expanded: levels<q>() are those of columns 4 q ... 4 q + 3.
template <TensorType kType>
struct PackedGroup {
  const std::byte* unit;
  int64_t group;

  template <int q>
  [[nodiscard]] CAIRN_AVX512_INLINE __m512i levels() const {
    constexpr CodeFormat kFormat = code_format(kType);
    const __m512i found = quad_levels<kType, q>(unit + 64 * kFormat.bits * group);
    if constexpr (kFormat.bits == 8 || kHasBook<kType>) return found;
    return _mm512_and_si512(found, in_each_byte((1U << kFormat.bits) - 1U));
  }
  [[nodiscard]] CAIRN_AVX512_INLINE ScaleAndMinimum scale(int part) const {
    return scale_of<kType>(unit, group * (32 / code_format(kType).group) + part);
  }
};
template <TensorType kType>
struct ExpandedGroup {
  const CodeUnit& unit;
  int64_t group;

  template <int q>
  [[nodiscard]] CAIRN_AVX512_INLINE __m512i levels() const {
    return _mm512_loadu_si512(unit.levels + group * unit.level_step + 64 * q);
  }
  [[nodiscard]] CAIRN_AVX512_INLINE ScaleAndMinimum scale(int part) const {
    const int64_t s = group * (32 / code_format(kType).group) + part;
    if constexpr (!code_format(kType).has_min) return {_mm512_load_ps(unit.scales[s]), _mm512_setzero_ps()};
    return {_mm512_load_ps(unit.scales[s]), _mm512_load_ps(unit.minima[s])};
  }
};

// Columns 4 q ... 4 q + 3 of kRows rows.
template <int kRows, int q, typename Group>
CAIRN_AVX512_INLINE void add_quad(const Group& group, const int8_t* codes, __m512i (&dot)[kRows]) {
  const __m512i levels = group.template levels<q>();
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
    dot[r] = _mm512_dpbusd_epi32(dot[r], levels, _mm512_set1_epi32(quad(codes + 32 * r + 4 * q)));
  }
}

// Those columns of a group that share a scale, times kRows rows; `i`: the group and the first row in x.
template <TensorType kType, int kRows, int kPart, typename Group>
CAIRN_AVX512_INLINE void add_part(const Group& group, const Operand& x, int64_t i, __m512 (&sum)[kRows]) {
  constexpr CodeFormat kFormat = code_format(kType);
  constexpr bool kIsHalf = kFormat.group == 16;
  constexpr int kFirst = 4 * kPart;
  __m512i dot[kRows];
  __m512 codes_sum[kRows];
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
    const int32_t* halves = x.sums + 2 * (i + r);
    const int32_t total = kIsHalf ? halves[kPart] : halves[0] + halves[1];
    dot[r] = _mm512_set1_epi32(-kFormat.zero * total);
    codes_sum[r] = _mm512_set1_ps(x.scales[i + r] * static_cast<float>(total));
  }
  const int8_t* const codes = x.codes + 32 * i;
  add_quad<kRows, kFirst>(group, codes, dot);
  add_quad<kRows, kFirst + 1>(group, codes, dot);
  add_quad<kRows, kFirst + 2>(group, codes, dot);
  add_quad<kRows, kFirst + 3>(group, codes, dot);
  if constexpr (!kIsHalf) {
    add_quad<kRows, 4>(group, codes, dot);
    add_quad<kRows, 5>(group, codes, dot);
    add_quad<kRows, 6>(group, codes, dot);
    add_quad<kRows, 7>(group, codes, dot);
  }
  const ScaleAndMinimum s = group.scale(kPart);
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) {
    const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[r]), s.scale);
    sum[r] = _mm512_fmadd_ps(scaled, _mm512_set1_ps(x.scales[i + r]), sum[r]);
    if constexpr (kFormat.has_min) sum[r] = _mm512_fmadd_ps(s.minimum, codes_sum[r], sum[r]);
  }
}

template <TensorType kType, int kRows, typename Group>
CAIRN_AVX512_INLINE void add_group(const Group& group, const Operand& x, int64_t i, __m512 (&sum)[kRows]) {
  add_part<kType, kRows, 0>(group, x, i, sum);
  if constexpr (code_format(kType).group == 16) add_part<kType, kRows, 1>(group, x, i, sum);
}

// An operand of kRows rows, of another type: from memory to registers, kPanels panels side by side.
template <TensorType kType, int kRows, int kPanels>
CAIRN_AVX512 void few_rows_block(const PackedMatrix& w, const Operand& x, int64_t panel, float* out,
                                 int64_t stride) {
  constexpr int64_t kUnitGroups = unit_columns(code_format(kType)) / 32;
  constexpr int64_t kGroupBytes = unit_bytes(kType) / kUnitGroups;
  constexpr int64_t kBytesAhead = 2048;
  const int64_t bytes = panel_bytes(kType, w.columns);
  const std::byte* const data = w.data + panel * bytes;
  __m512 sum[kPanels][kRows];
  CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) {
    CAIRN_UNROLL for (int r = 0; r < kRows; ++r) sum[p][r] = _mm512_setzero_ps();
  }
  int64_t i = 0;
  for (int64_t at = 0; at < bytes; at += unit_bytes(kType)) {
    for (int64_t g = 0; g < kUnitGroups; ++g, i += kRows) {
      const int64_t ahead = place_ahead(at + g * kGroupBytes, kBytesAhead, bytes, kPanels);
      CAIRN_UNROLL for (int p = 0; p < kPanels; ++p) {
        for (int64_t b = 0; b < kGroupBytes; b += 64) __builtin_prefetch(data + p * bytes + ahead + b);
        add_group<kType, kRows>(PackedGroup<kType>{data + p * bytes + at, g}, x, i, sum[p]);
      }
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    const int64_t column = (panel + p) * kPanelRows;
    for (int r = 0; r < kRows; ++r) store_sum(sum[p][r], w.rows - column, out + r * stride + column);
  }
}

template <TensorType kType, int kRows, int kPanels>
void few_rows(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  visit_panels<kPanels>(
      tile, [&](int64_t panel) { few_rows_block<kType, kRows, kPanels>(w, x, panel, out, stride); },
      [&](int64_t panel) { few_rows_block<kType, kRows, 1>(w, x, panel, out, stride); });
}

// Adds an expanded unit to kRows rows of sums. `group_rows`: the distance of one group of columns from the next in x.
template <TensorType kType, int kRows>
CAIRN_AVX512 void add_rows(const CodeUnit& unit, const Operand& x, int64_t index, int64_t group_rows,
                           float (*sums)[16]) {
  __m512 sum[kRows];
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) sum[r] = _mm512_load_ps(sums[r]);
  for (int64_t g = 0; g < unit.groups; ++g) {
    add_group<kType, kRows>(ExpandedGroup<kType>{unit, g}, x, index + g * group_rows, sum);
  }
  CAIRN_UNROLL for (int r = 0; r < kRows; ++r) _mm512_store_ps(sums[r], sum[r]);
}

struct Avx512 {
  CAIRN_AVX512 static void widen(const std::byte* from, float* to) {
    _mm512_store_ps(to, half_scales(reinterpret_cast<const uint8_t*>(from)));
  }
  CAIRN_AVX512 static void look_up(const CodeBook& book, uint8_t* codes) {
    const __m512i levels =
        _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(book.data())));
    for (int i = 0; i < 512; i += 64) {
      _mm512_store_si512(codes + i, _mm512_shuffle_epi8(levels, _mm512_load_si512(codes + i)));
    }
  }
  template <TensorType kType>
  CAIRN_AVX512 static void add_unit(const CodeUnit& unit, const Operand& x, int64_t index, int64_t rows,
                                    float (*sums)[16]) {
    int64_t row = 0;
    for (; row + 8 <= rows; row += 8) add_rows<kType, 8>(unit, x, index + row, rows, sums + row);
    for (; row + 2 <= rows; row += 2) add_rows<kType, 2>(unit, x, index + row, rows, sums + row);
    for (; row < rows; ++row) add_rows<kType, 1>(unit, x, index + row, rows, sums + row);
  }
  template <TensorType kType>
  CAIRN_AVX512 static void panel(const PackedMatrix& w, const Operand& x, int64_t group, int64_t panel,
                                 float* out, int64_t stride) {
    sum_panel<kType, Avx512>(w, x, group, panel, out, stride);
  }
};

}  // namespace

void code_matmul_avx512(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                        int64_t stride) {
  if (w.type == TensorType::kQ8_0) return q8_matmul(w, x, tile, out, stride);
  if (x.row_count > 2) return sum_panels<Avx512>(w, x, tile, out, stride);
  visit_code_type(w.type, [&](auto type) {
    constexpr TensorType kType = decltype(type)::value;
    if (x.row_count == 1) return few_rows<kType, 1, 4>(w, x, tile, out, stride);
    few_rows<kType, 2, 2>(w, x, tile, out, stride);
  });
}

}  // namespace cairn

#endif  // __x86_64__
