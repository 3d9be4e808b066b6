// Attention over blocks, on V16: a tile of rows that share a KV head reads each key and value once. Follows
// reference_attention.cc operation by operation.
#include "kernels/hwy_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>

#include "kernels/reference.h"
#include "kernels/simd.h"
#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

// How rows of each KvType are read.
struct F32Rows {
  using Element = float;
  static HWY_INLINE V16 read(const float* from) { return load(from); }
};
struct F16Rows {
  using Element = uint16_t;
  static HWY_INLINE V16 read(const uint16_t* from) { return load_f16(from); }
};
struct Bf16Rows {
  using Element = uint16_t;
  static HWY_INLINE V16 read(const uint16_t* from) { return load_bf16(from); }
};

// The positions of one span that some row of the tile sees.
struct Span {
  int32_t low;    // a multiple of kSpanSize
  int32_t begin;  // >= low
  int32_t end;    // <= low + kSpanSize
};

HWY_INLINE bool sees(const AttentionTile& tile, int32_t row, const Span& span) {
  return tile.begin[row] < span.end && tile.end[row] > span.begin;
}

// Scores of kRows rows for the 32 positions of a block: one fma an element, ascending.
template <class Rows, int kRows>
HWY_INLINE void score_block(const AttentionTile& tile, int32_t row, const typename Rows::Element* keys,
                            float* scores) {
  V16 sum[kRows][2];
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = broadcast(0.0F);
  for (int32_t d = 0; d < tile.head_dim; ++d, keys += kBlockSize) {
    const V16 k0 = Rows::read(keys);
    const V16 k1 = Rows::read(keys + 16);
    _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) {
      const V16 q = broadcast(tile.query[row + r][d]);
      sum[r][0] = fma(q, k0, sum[r][0]);
      sum[r][1] = fma(q, k1, sum[r][1]);
    }
  }
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) {
    store(sum[r][0], scores + (row + r) * kSpanSize);
    store(sum[r][1], scores + (row + r) * kSpanSize + 16);
  }
}

constexpr bool kWide = kParts == 1;
constexpr int kScoreRows = kWide ? 8 : 2;
constexpr int kValueRows = kWide ? 4 : 2;

template <class Rows>
void score_span(const AttentionTile& tile, const Span& span, float* scores) {
  for (int32_t at = span.begin / kBlockSize * kBlockSize; at < span.end; at += kBlockSize) {
    const auto* keys =
        reinterpret_cast<const typename Rows::Element*>(tile.blocks[at / kBlockSize] + tile.keys_offset);
    float* to = scores + (at - span.low);
    int32_t row = 0;
    for (; row + kScoreRows <= tile.row_count; row += kScoreRows)
      score_block<Rows, kScoreRows>(tile, row, keys, to);
    for (; row < tile.row_count; ++row) score_block<Rows, 1>(tile, row, keys, to);
  }
}

// Scores become probabilities; lanes that the row does not see become exactly 0. Returns peak and total.
HWY_INLINE void soft_max(const AttentionTile& tile, int32_t row, const Span& span, float* s, float* peak_out,
                         float* total_out) {
  const int32_t first = (span.begin - span.low) / 16 * 16;
  const int32_t last = span.end - span.low;
  const V16 nothing = broadcast(-INFINITY);
  const V16 cap = broadcast(tile.soft_cap);
  V16 peak = nothing;
  for (int32_t i = first; i < last; i += 16) {
    V16 v = load(s + i);
    if (tile.soft_cap != 0) v = cap * tanh(v / cap);
    const int32_t position = span.low + i;
    v = select_range(tile.begin[row] - position, tile.end[row] - position, v, nothing);
    store(v, s + i);
    peak = max(peak, v);
  }
  *peak_out = max_lanes(peak);
  const V16 top = broadcast(*peak_out);
  V16 total = broadcast(0.0F);
  for (int32_t i = first; i < last; i += 16) {
    const V16 p = exp(load(s + i) - top);
    store(p, s + i);
    total = total + p;
  }
  *total_out = sum_lanes(total);
}

// o[16 elements] of kRows rows over the span's positions, ascending. `count` < 16: the head's last elements;
// the vector then reads on into the next row, whose lanes are thrown away.
template <class Rows, int kRows>
HWY_INLINE void sum_values(const AttentionTile& tile, int32_t row, const Span& span, const float* scores,
                           int32_t d, float* sums, int64_t stride) {
  V16 sum[kRows];
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) sum[r] = broadcast(0.0F);
  for (int32_t at = span.begin; at < span.end;) {
    const auto* values =
        reinterpret_cast<const typename Rows::Element*>(tile.blocks[at / kBlockSize] + tile.values_offset) +
        d;
    const int32_t stop = HWY_MIN(span.end, at / kBlockSize * kBlockSize + kBlockSize);
    const float* p = scores + row * kSpanSize - span.low;
    for (; at < stop; ++at) {
      const V16 v = Rows::read(values + int64_t{at % kBlockSize} * tile.head_dim);
      _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) {
        sum[r] = fma(broadcast(p[r * kSpanSize + at]), v, sum[r]);
      }
    }
  }
  const V16 zero = broadcast(0.0F);
  _Pragma("GCC unroll 8") for (int r = 0; r < kRows; ++r) store(sum[r] + zero, sums + (row + r) * stride + d);
}

template <class Rows>
void sum_span(const AttentionTile& tile, const Span& span, const float* scores, float* sums, int64_t stride) {
  int32_t row = 0;
  for (; row + kValueRows <= tile.row_count; row += kValueRows) {
    for (int32_t d = 0; d < tile.head_dim; d += 16) {
      sum_values<Rows, kValueRows>(tile, row, span, scores, d, sums, stride);
    }
  }
  for (; row < tile.row_count; ++row) {
    for (int32_t d = 0; d < tile.head_dim; d += 16) {
      sum_values<Rows, 1>(tile, row, span, scores, d, sums, stride);
    }
  }
}

// What a row has gathered over the spans so far.
struct Merged {
  float peak = 0;
  float total = 0;
  bool any = false;
};

HWY_INLINE void merge(Merged& all, float peak, float total, const float* o, float* merged, int64_t padded) {
  if (!all.any) {
    for (int64_t d = 0; d < padded; d += 16) store(load(o + d), merged + d);
    all = {peak, total, true};
    return;
  }
  const float top = peak > all.peak ? peak : all.peak;
  const float old_factor = reference::exp_f32(all.peak - top);
  const float new_factor = reference::exp_f32(peak - top);
  const V16 a = broadcast(old_factor);
  const V16 b = broadcast(new_factor);
  for (int64_t d = 0; d < padded; d += 16) store(fma(load(o + d), b, load(merged + d) * a), merged + d);
  all = {top, std::fma(total, new_factor, all.total * old_factor), true};
}

template <class Rows>
void attend_rows(const AttentionTile& tile, const AttentionScratch& scratch) {
  const int64_t padded = (tile.head_dim + 15) / 16 * 16;
  float* sums = scratch.sums;
  float* merged = scratch.sums + kAttentionRows * padded;
  Merged all[kAttentionRows];
  int32_t begin = tile.begin[0];
  int32_t end = tile.end[0];
  for (int32_t row = 1; row < tile.row_count; ++row) {
    begin = HWY_MIN(begin, tile.begin[row]);
    end = HWY_MAX(end, tile.end[row]);
  }
  for (int32_t low = begin / kSpanSize * kSpanSize; low < end; low += kSpanSize) {
    const Span span{low, HWY_MAX(low, begin), HWY_MIN(low + kSpanSize, end)};
    float peak[kAttentionRows];
    float total[kAttentionRows];
    score_span<Rows>(tile, span, scratch.scores);
    for (int32_t row = 0; row < tile.row_count; ++row) {
      float* s = scratch.scores + row * kSpanSize;
      if (sees(tile, row, span)) {
        soft_max(tile, row, span, s, &peak[row], &total[row]);
      } else {
        std::memset(s, 0, kSpanSize * sizeof(float));
      }
    }
    sum_span<Rows>(tile, span, scratch.scores, sums, padded);
    for (int32_t row = 0; row < tile.row_count; ++row) {
      if (sees(tile, row, span)) {
        merge(all[row], peak[row], total[row], sums + row * padded, merged + row * padded, padded);
      }
    }
  }
  for (int32_t row = 0; row < tile.row_count; ++row) {
    const float inverse = 1.0F / all[row].total;
    for (int32_t d = 0; d < tile.head_dim; ++d) tile.output[row][d] = merged[row * padded + d] * inverse;
  }
}

void attend(const AttentionTile& tile, const AttentionScratch& scratch) {
  switch (tile.type) {
    case KvType::kF32: return attend_rows<F32Rows>(tile, scratch);
    case KvType::kF16: return attend_rows<F16Rows>(tile, scratch);
    case KvType::kBF16: return attend_rows<Bf16Rows>(tile, scratch);
  }
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cairn {

void fill_attention(Isa isa, Kernels& table) {
  table.store_kv = reference::store_kv;
#if defined(__x86_64__)
  table.attend = isa == Isa::kAvx2 ? N_AVX2::attend : N_AVX3::attend;
#else
  (void)isa;
  table.attend = N_NEON::attend;
#endif
}

}  // namespace cairn
#endif
