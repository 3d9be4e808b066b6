#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/attention/attention_span.h"
#include "kernels/reference.h"

namespace cairn::reference {
namespace {

// One span's keys and values, widened: of blocks that some row sees.
struct WideSpan {
  float* keys;    // [kSpanBlocks][head_dim][kBlockSize]
  float* values;  // [kSpanBlocks][kBlockSize][lanes of that block]
  int64_t value_lanes[kSpanBlocks];
  int32_t head_dim;

  [[nodiscard]] float key(int64_t j, int32_t d) const {
    const int64_t block = j % kSpanSize / kBlockSize;
    return keys[(block * head_dim + d) * kBlockSize + j % kBlockSize];
  }
  [[nodiscard]] float value(int64_t j, int32_t d) const {
    const int64_t block = j % kSpanSize / kBlockSize;
    return values_of(block)[j % kBlockSize * value_lanes[block] + d];
  }
  [[nodiscard]] float* values_of(int64_t block) const {
    return values + block * kBlockSize * ((head_dim + 31) / 32 * 32);
  }
};

WideSpan widen(const AttentionTile& tile, const SpanLines& lines, float* memory) {
  const int32_t head_dim = tile.keys.head_dim;
  WideSpan span{memory, memory + int64_t{kSpanSize} * head_dim, {}, head_dim};
  for (int32_t b = 0; b < kSpanBlocks; ++b) {
    if (lines.block[b].empty()) continue;
    const int64_t block = lines.low / kBlockSize + b;
    const int64_t key_floats = int64_t{head_dim} * kBlockSize;
    if (tile.open_keys != nullptr && block == tile.open_block) {
      std::copy_n(tile.open_keys, key_floats, span.keys + b * key_floats);
    } else {
      decode_kv(tile.keys, tile.sequence.block(block) + tile.keys_offset, 0, head_dim,
                span.keys + b * key_floats);
    }
    if (tile.open_values != nullptr && block == tile.open_block) {
      span.value_lanes[b] = attention_padded(head_dim);
      std::copy_n(tile.open_values, kBlockSize * span.value_lanes[b], span.values_of(b));
    } else {
      span.value_lanes[b] = tile.values.lanes;
      decode_kv(tile.values, tile.sequence.block(block) + tile.values_offset, 0, kBlockSize,
                span.values_of(b));
    }
  }
  return span;
}

float score(const AttentionTile& tile, const float* query, const WideSpan& span, int64_t j) {
  float dot = 0;
  for (int32_t d = 0; d < span.head_dim; ++d) dot = std::fma(query[d], span.key(j, d), dot);
  return tile.soft_cap == 0 ? dot : tile.soft_cap * tanh_f32(dot / tile.soft_cap);
}

// Reduces a range that lies in one span, to a state of its own.
void reduce_range(const AttentionTile& tile, const VisibleRange& range, const WideSpan& span, float* p,
                  float* state) {
  const auto& [query, begin, end] = range;
  float peak = -INFINITY;
  for (int64_t j = begin; j < end; ++j) {
    p[j - begin] = score(tile, query, span, j);
    peak = p[j - begin] > peak ? p[j - begin] : peak;
  }
  float lane[16] = {};
  for (int64_t j = begin; j < end; ++j) {
    p[j - begin] = exp_f32(p[j - begin] - peak);
    lane[j % 16] += p[j - begin];
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  std::fill_n(state, attention_state_floats(span.head_dim), 0.0F);
  state[0] = peak + 0.0F;  // -0 becomes 0, here and below, as if masked positions had been added
  state[1] = lane[0];
  for (int32_t d = 0; d < span.head_dim; ++d) {
    float sum = 0;
    for (int64_t j = begin; j < end; ++j) sum = std::fma(p[j - begin], span.value(j, d), sum);
    state[16 + d] = sum + 0.0F;
  }
}

}  // namespace

void attend(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  DCHECK(tile.keys.head_dim == tile.values.head_dim);
  float* const p = scratch.floats;
  float* const state = p + kSpanSize;
  float* const memory = state + attention_state_floats(tile.keys.head_dim);
  for (int64_t low = spans.first * kSpanSize; low < spans.last * kSpanSize; low += kSpanSize) {
    const WideSpan span = widen(tile, lines_seen(tile, low), memory);
    for (const AttentionRow& row : tile.rows) {
      const auto& [query, first, last] = row.visible;
      const VisibleRange in_span{query, std::max(low, first), std::min(low + kSpanSize, last)};
      if (in_span.begin >= in_span.end) continue;
      reduce_range(tile, in_span, span, p, state);
      merge_attention(state, tile.keys.head_dim, row.state);
    }
  }
}

void merge_attention(const float* from, int64_t head_dim, float* into) {
  if (from[1] == 0) return;
  if (into[1] == 0) {
    std::copy_n(from, attention_state_floats(head_dim), into);
    return;
  }
  const float peak = from[0] > into[0] ? from[0] : into[0];
  const float old_factor = exp_f32(into[0] - peak);
  const float new_factor = exp_f32(from[0] - peak);
  into[0] = peak;
  into[1] = std::fma(from[1], new_factor, into[1] * old_factor);
  for (int64_t d = 16; d < 16 + head_dim; ++d) {
    into[d] = std::fma(from[d], new_factor, into[d] * old_factor);
  }
}

void finish_attention(const float* state, int64_t head_dim, float* out) {
  const float inverse = 1.0F / state[1];
  for (int64_t d = 0; d < head_dim; ++d) out[d] = state[16 + d] * inverse;
}

}  // namespace cairn::reference
