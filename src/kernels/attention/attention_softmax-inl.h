// Softmax of a span, and the merging of spans, on V16: reference_attention.cc operation by operation.
// Included once per target.
#if defined(CAIRN_KERNELS_ATTENTION_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAIRN_KERNELS_ATTENTION_SOFTMAX_INL_H_
#undef CAIRN_KERNELS_ATTENTION_SOFTMAX_INL_H_
#else
#define CAIRN_KERNELS_ATTENTION_SOFTMAX_INL_H_
#endif

#include <cmath>
#include <cstdint>

#include "kernels/attention/attention_span.h"
#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

// Turns the scores [kSpanSize] of one row, which sees the span, into probabilities: exactly 0 for positions that the row does not see.
// Blocks that no row of the group sees are left untouched. Returns the peak and the total.
HWY_INLINE void soft_max_row(const VisibleRange& range, const SpanLines& lines, float soft_cap, float* s,
                             float* peak_out, float* total_out) {
  const V16 nothing = broadcast(-INFINITY);
  const V16 cap = broadcast(soft_cap);
  const auto first = static_cast<int32_t>(HWY_MAX(range.begin - lines.low, 0));
  const auto last = static_cast<int32_t>(HWY_MIN(range.end - lines.low, kSpanSize));
  V16 peak = nothing;
  for (int32_t i = 0; i < kSpanSize; i += 16) {
    if (lines.block[i / kBlockSize].empty()) continue;
    V16 v = load(s + i);
    if (soft_cap != 0) v = cap * tanh(v / cap);
    const int32_t begin = first - i;
    const int32_t end = last - i;
    if (begin > 0 || end < 16) v = select_range(begin, end, v, nothing);
    store(v, s + i);
    peak = max(peak, v);
  }
  *peak_out = max_lanes(peak) + 0.0F;
  const V16 top = broadcast(*peak_out);
  V16 total = broadcast(0.0F);
  for (int32_t i = 0; i < kSpanSize; i += 16) {
    if (lines.block[i / kBlockSize].empty()) continue;
    const V16 p = exp(load(s + i) - top);
    store(p, s + i);
    total = total + p;
  }
  *total_out = sum_lanes(total);
}

inline SpanResult soft_max(const RowGroup& group, float soft_cap, float* scores) {
  SpanResult result;
  for (int32_t r = 0; r < group.count; ++r) {
    soft_max_row(*group.ranges[r], group.lines, soft_cap, scores + r * kSpanSize, &result.peak[r],
                 &result.total[r]);
  }
  return result;
}

// Merges the span's `sums` [rows][padded] into the states of the rows.
inline void merge_span(const SpanResult& span, const float* sums, int64_t padded, float* const* states,
                       int32_t rows) {
  SpanResult old;
  for (int32_t r = 0; r < rows; ++r) {
    const bool any = states[r][1] != 0;
    old.peak[r] = any ? states[r][0] : span.peak[r];
    old.total[r] = any ? states[r][1] : 0;
  }
  const V16 peak = max(load(span.peak), load(old.peak));
  alignas(64) float old_factors[kGroupRows], new_factors[kGroupRows], peaks[kGroupRows], totals[kGroupRows];
  const V16 old_factor = exp(load(old.peak) - peak);
  const V16 new_factor = exp(load(span.peak) - peak);
  store(old_factor, old_factors);
  store(new_factor, new_factors);
  store(peak, peaks);
  store(fma(load(span.total), new_factor, load(old.total) * old_factor), totals);
  for (int32_t r = 0; r < rows; ++r) {
    float* const state = states[r];
    const float* const sum = sums + r * padded;
    const V16 a = broadcast(old_factors[r]);
    const V16 b = broadcast(new_factors[r]);
    if (old.total[r] == 0) {
      for (int64_t d = 0; d < padded; d += 16) store(load(sum + d), state + 16 + d);
    } else {
      for (int64_t d = 0; d < padded; d += 16) {
        store(fma(load(sum + d), b, load(state + 16 + d) * a), state + 16 + d);
      }
    }
    state[0] = peaks[r];
    state[1] = totals[r];
  }
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // include guard, per target
