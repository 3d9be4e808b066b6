// The product under both halves of attention, on V16: few rows times lines of sixteen lanes. For every output
// one fma a line, lines ascending. Included once per target.
#if defined(CAIRN_KERNELS_ATTENTION_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAIRN_KERNELS_ATTENTION_PRODUCT_INL_H_
#undef CAIRN_KERNELS_ATTENTION_PRODUCT_INL_H_
#else
#define CAIRN_KERNELS_ATTENTION_PRODUCT_INL_H_
#endif

#include <cstdint>

#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

enum class Sums : uint8_t { kBegin, kGoOn };

// out[r][lane] (+)= sum over lines k of factors[r][k] * lines[k][lane], for 16 * vectors lanes.
struct RowsTimesLines {
  const float* const* factors = nullptr;
  const float* lines = nullptr;
  int64_t line_stride = 0;
  int32_t line_count = 0;
  int32_t vectors = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
  Sums sums = Sums::kBegin;
  // What is read from memory next. It is prefetched along the way, two cache lines at a time, because a whole tile at
  // once would hold up the loads that follow (35 ns a position, of f16 and 8 rows, rather than 28).
  const std::byte* ahead = nullptr;
  int64_t ahead_bytes = 0;
};

HWY_INLINE void prefetch_ahead(const std::byte* at) {
  constexpr int kIntoSecondLevel = 2;  // into the first, it competes for the few buffers that loads need
  __builtin_prefetch(at, 0, kIntoSecondLevel);
  __builtin_prefetch(at + 64, 0, kIntoSecondLevel);
}

template <int kRows, int kVectors>
HWY_INLINE void multiply_line(const float* const (&factors)[kRows], const float* from, int32_t k,
                              V16 (&sum)[kRows][kVectors]) {
  V16 line[kVectors];
  _Pragma("GCC unroll 8") for (int v = 0; v < kVectors; ++v) line[v] = load(from + 16 * v);
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) {
    const V16 factor = broadcast(factors[r][k]);
    _Pragma("GCC unroll 8") for (int v = 0; v < kVectors; ++v) sum[r][v] = fma(factor, line[v], sum[r][v]);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void multiply_columns(RowsTimesLines& p, int32_t column) {
  V16 sum[kRows][kVectors];
  const float* factors[kRows];
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) {
    factors[r] = p.factors[r];
    _Pragma("GCC unroll 8") for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = p.sums == Sums::kBegin ? broadcast(0.0F) : load(p.out + r * p.out_stride + column + 16 * v);
    }
  }
  const float* from = p.lines + column;
  int32_t k = 0;
  for (; k < p.line_count && p.ahead_bytes > 0; ++k, p.ahead += 128, p.ahead_bytes -= 128) {
    prefetch_ahead(p.ahead);
    multiply_line(factors, from + k * p.line_stride, k, sum);
  }
  for (; k < p.line_count; ++k) multiply_line(factors, from + k * p.line_stride, k, sum);
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) {
    _Pragma("GCC unroll 8") for (int v = 0; v < kVectors; ++v) {
      store(sum[r][v], p.out + r * p.out_stride + column + 16 * v);
    }
  }
}

// Tile shapes by registers: of 32 zmm, 16 hold sums, two a line, one a factor; of 16 ymm, where a V16 is two,
// 8 hold sums. Both give the two units, of latency four, enough independent chains.
constexpr int kMostRows = kParts == 1 ? 8 : 4;
constexpr int kColumns = kParts == 1 ? 2 : 1;

template <int kRows>
HWY_NOINLINE void multiply_rows(RowsTimesLines& p) {
  int32_t v = 0;
  for (; v + kColumns <= p.vectors; v += kColumns) multiply_columns<kRows, kColumns>(p, 16 * v);
  for (; v < p.vectors; ++v) multiply_columns<kRows, 1>(p, 16 * v);
}

// `rows`: 1 to kMostRows.
template <int kRows = kMostRows>
HWY_INLINE void multiply_few(int32_t rows, RowsTimesLines& p) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_few<kRows - 1>(rows, p);
  }
  multiply_rows<kRows>(p);
}

HWY_INLINE void multiply(int32_t rows, RowsTimesLines p) {
  for (; rows > 0; rows -= kMostRows) {
    multiply_few(HWY_MIN(rows, kMostRows), p);
    p.factors += kMostRows;
    p.out += kMostRows * p.out_stride;
  }
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // include guard, per target
