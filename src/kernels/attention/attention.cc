// Attention over blocks, on V16: rows that share a KV head read each key and value once, widened to f32 a
// block at a time. Follows reference_attention.cc operation by operation.
#include "kernels/hwy_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/attention/attention_amx.h"
#include "kernels/attention/attention_product-inl.h"
#include "kernels/attention/attention_softmax-inl.h"
#include "kernels/codecs/decode_kv-inl.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

// One span's keys and values as f32: a block is widened when it is first used, or read in place where it is f32.
class WideSpan {
 public:
  struct Lines {
    const float* at = nullptr;
    int64_t stride = 0;
    StoredTile ahead;  // what is read after these lines, on their first use
  };

  // `lines`: all that the tile's rows see. With one group of rows, each block is used once, so all of them share one
  // place, which stays in first-level cache.
  WideSpan(const AttentionTile& tile, const SpanLines& lines, bool one_group, float* memory)
      : tile_(tile),
        lines_(lines),
        step_(one_group ? 0 : kBlockSize * int64_t{(tile.keys.head_dim + 31) / 32 * 32}),
        keys_(memory),
        values_(memory + kSpanBlocks * step_) {}

  Lines keys(int32_t b) {
    const StoredTile stored = stored_keys(tile_, lines_.low, b);
    float* const wide = keys_ + b * step_;
    Lines lines = stored.is_f32() ? Lines{stored.floats(), stored.f32_stride} : Lines{wide, tile_.keys.lanes};
    if (is_new(b, have_keys_)) {
      lines.ahead = after_keys(tile_, lines_, b);
      if (!stored.is_f32()) decode_kv(tile_.keys, stored.data, 0, tile_.keys.lines, wide);
    }
    return lines;
  }
  Lines values(int32_t b) {
    const StoredTile stored = stored_values(tile_, lines_.low, b);
    float* const wide = values_ + b * step_;
    Lines lines =
        stored.is_f32() ? Lines{stored.floats(), stored.f32_stride} : Lines{wide, tile_.values.lanes};
    if (is_new(b, have_values_)) {
      lines.ahead = after_values(tile_, lines_, b);
      const LineRange seen = lines_.block[b];
      float* const first = wide + int64_t{seen.begin} * tile_.values.lanes;
      if (!stored.is_f32()) decode_kv(tile_.values, stored.data, seen.begin, seen.end - seen.begin, first);
    }
    return lines;
  }

 private:
  static bool is_new(int32_t b, uint32_t& have) {
    const bool is = (have >> b & 1U) == 0;
    have |= 1U << b;
    return is;
  }

  const AttentionTile& tile_;
  const SpanLines& lines_;
  int64_t step_;  // floats from one block's place to the next
  float* keys_;
  float* values_;
  uint32_t have_keys_ = 0;  // bit b: keys(b) was called
  uint32_t have_values_ = 0;
};

void score_group(const RowGroup& group, WideSpan& span, int32_t head_dim, float* scores) {
  const float* queries[kGroupRows];
  for (int32_t r = 0; r < group.count; ++r) queries[r] = group.ranges[r]->query;
  for (int32_t b = group.lines.seen_from(0); b < kSpanBlocks; b = group.lines.seen_from(b + 1)) {
    const WideSpan::Lines keys = span.keys(b);
    multiply(group.count, {.factors = queries,
                           .lines = keys.at,
                           .line_stride = keys.stride,
                           .line_count = head_dim,
                           .vectors = kBlockSize / 16,
                           .out = scores + b * kBlockSize,
                           .out_stride = kSpanSize,
                           .ahead = keys.ahead.data,
                           .ahead_bytes = keys.ahead.bytes});
  }
}

// Lines that no row of the group sees are not touched: they may be garbage, and 0 * NaN is not 0.
void sum_group(const RowGroup& group, WideSpan& span, const float* scores, int64_t padded, float* sums) {
  Sums state = Sums::kBegin;
  for (int32_t b = group.lines.seen_from(0); b < kSpanBlocks; b = group.lines.seen_from(b + 1)) {
    const LineRange seen = group.lines.block[b];
    const WideSpan::Lines values = span.values(b);
    const float* factors[kGroupRows];
    for (int32_t r = 0; r < group.count; ++r) {
      factors[r] = scores + r * kSpanSize + b * kBlockSize + seen.begin;
    }
    multiply(group.count, {.factors = factors,
                           .lines = values.at + seen.begin * values.stride,
                           .line_stride = values.stride,
                           .line_count = seen.end - seen.begin,
                           .vectors = static_cast<int32_t>(padded / 16),
                           .out = sums,
                           .out_stride = padded,
                           .sums = state,
                           .ahead = values.ahead.data,
                           .ahead_bytes = values.ahead.bytes});
    state = Sums::kGoOn;
  }
  for (int64_t i = 0; i < group.count * padded; i += 16) store(load(sums + i) + broadcast(0.0F), sums + i);
}

void attend_span(const AttentionTile& tile, int64_t low, float* scratch) {
  const int32_t head_dim = tile.keys.head_dim;
  const int64_t padded = attention_padded(head_dim);
  float* const scores = scratch;
  float* const sums = scores + kGroupRows * kSpanSize;
  float* const wide = sums + kGroupRows * padded;
  const SpanLines lines = lines_seen(tile, low);
  size_t at = 0;
  RowGroup group = next_group(tile, low, at);
  WideSpan span(tile, lines, at == tile.rows.size(), wide);
  for (; group.count > 0; group = next_group(tile, low, at)) {
    score_group(group, span, head_dim, scores);
    const SpanResult result = soft_max(group, tile.soft_cap, scores);
    sum_group(group, span, scores, padded, sums);
    merge_span(result, sums, padded, group.states, group.count);
  }
}

void attend(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  for (int64_t s = spans.first; s < spans.last; ++s) attend_span(tile, s * kSpanSize, scratch.floats);
}

void merge_attention(const float* from, int64_t head_dim, float* into) {
  if (from[1] == 0) return;
  SpanResult span;
  span.peak[0] = from[0];
  span.total[0] = from[1];
  merge_span(span, from + 16, attention_padded(head_dim), &into, 1);
}

void finish_attention(const float* state, int64_t head_dim, float* out) {
  const float inverse = 1.0F / state[1];
  int64_t d = 0;
  for (; d + 16 <= head_dim; d += 16) store(load(state + 16 + d) * broadcast(inverse), out + d);
  for (; d < head_dim; ++d) out[d] = state[16 + d] * inverse;
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cairn {

#if defined(__x86_64__)
namespace attention_parts {
namespace {
bool is_wide() { return available_isas().back() >= Isa::kAvx512; }
}  // namespace

void attend(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  (is_wide() ? N_AVX3::attend : N_AVX2::attend)(tile, spans, scratch);
}
SpanResult soft_max(const RowGroup& group, float soft_cap, float* scores) {
  return (is_wide() ? N_AVX3::soft_max : N_AVX2::soft_max)(group, soft_cap, scores);
}
void merge_span(const SpanResult& span, const float* sums, int64_t padded, float* const* states,
                int32_t rows) {
  (is_wide() ? N_AVX3::merge_span : N_AVX2::merge_span)(span, sums, padded, states, rows);
}
}  // namespace attention_parts
#endif

void fill_attention(Isa isa, Kernels& table) {
#if defined(__x86_64__)
  const bool wide = isa != Isa::kAvx2;
  table.attend = wide ? N_AVX3::attend : N_AVX2::attend;
  table.merge_attention = wide ? N_AVX3::merge_attention : N_AVX2::merge_attention;
  table.finish_attention = wide ? N_AVX3::finish_attention : N_AVX2::finish_attention;
#else
  (void)isa;
  table.attend = N_NEON::attend;
  table.merge_attention = N_NEON::merge_attention;
  table.finish_attention = N_NEON::finish_attention;
#endif
}

}  // namespace cairn
#endif
