// Attention over blocks: the structs that its kernels read, and what they compute.
//
// For a query at position t of head h, over the positions j that it sees (begin <= j < end = t + 1):
//   s_j = cap(q . k_j),  o = sum_j softmax(s)_j v_j           (q is already multiplied by the attention scale)
// Positions are taken in spans of kSpanSize, aligned to absolute position. Each span is reduced alone:
//   m = max s_j,  p_j = e^(s_j - m),  l = sum p_j,  o = sum p_j v_j   (ascending j)
// and spans are merged in ascending order (online softmax: Milakov and Gimelshein 2018; Dao et al. 2022).
// A span without a visible position is skipped. The order of every sum is fixed by positions alone:
//   q . k   over the head's elements, ascending, one fma each
//   l       sixteen lanes j mod 16, then halves
//   o       over j ascending, one fma each
// Keys and values are widened exactly to f32 as their codec defines, a span at a time, for all rows of a tile.
// Under AMX, where neither side is f32, both products are TDPBF16PS over ascending pairs of bf16: another arithmetic, the
// same for every number of rows. Keys and values are the codec's f32 numbers cut to their upper halves; what cutting takes
// on average is made up for by a factor c that the codec alone determines, 1 where bf16 holds its numbers (cut_factor,
// attention_amx_decode.h):
//   s_j = cap(bf16(c_k q) . cut(k_j)),   o = c_v sum of bf16(p_j) cut(v_j)   (bf16 rounds to nearest even)
// All else, m, p, l and the merging of spans, is f32 as above.
//
// Because each span is reduced alone, a row's attention can be cut between any two spans: `attend` continues from the
// row's state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/kv_view.h"

namespace cairn {

// A row's state, the result of the spans merged so far:
//   [0]      the largest score
//   [1]      the sum of probabilities; 0 before the first span, at least 1 after it
//   [2..15]  unused
//   [16...]  the weighted sum of values, padded to a multiple of 16
[[nodiscard]] constexpr int64_t attention_padded(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }
[[nodiscard]] constexpr int64_t attention_state_floats(int64_t head_dim) {
  return 16 + attention_padded(head_dim);
}
inline void clear_attention_state(float* state) { state[1] = 0; }

// Positions [begin, end) that a row sees, and the query that meets their keys.
struct VisibleRange {
  const float* query = nullptr;  // [head_dim], already multiplied by the attention scale
  int64_t begin = 0;
  int64_t end = 0;
};

// One query head at one position.
struct AttentionRow {
  VisibleRange visible;
  float* state = nullptr;  // attention_state_floats(head_dim), 64-byte aligned
};

// Rows that read the same keys and values: of one KV head of one layer. Their positions lie in one block or, where
// sequences decode together, in blocks after the spans that are attended.
struct AttentionTile {
  KvTileShape keys;  // as blocks hold them
  KvTileShape values;
  int64_t keys_offset = 0;  // of this layer and KV head inside a block
  int64_t values_offset = 0;
  KvSequenceView sequence;  // whose blocks are read
  // A query sees its own block open: where the codec of a side seals whole blocks, block `open_block` is read from
  // these f32 tiles (null: from the block).
  int64_t open_block = 0;
  const float* open_keys = nullptr;    // [head_dim][kBlockSize]
  const float* open_values = nullptr;  // [kBlockSize][padded]
  float soft_cap = 0;                  // 0: none
  std::span<const AttentionRow> rows;  // any number; tiles of up to kAttentionRows rows use the caches well
};

inline constexpr int32_t kAttentionRows = 128;

// Work memory of one thread, 64-byte aligned.
struct AttentionScratch {
  float* floats = nullptr;  // attention_scratch_floats(head_dim)
};
// Keys and values of one span, widened; scores, probabilities and sums of sixteen rows.
[[nodiscard]] constexpr int64_t attention_scratch_floats(int64_t head_dim) {
  const int64_t lanes = (head_dim + 31) / 32 * 32;
  return 2 * kSpanSize * lanes + 2 * 16 * kSpanSize + 2 * 16 * lanes;
}

// Spans [first, last). Span s holds positions [s * kSpanSize, (s + 1) * kSpanSize).
struct SpanRange {
  int64_t first = 0;
  int64_t last = 0;
  [[nodiscard]] int64_t count() const { return last - first; }
};

}  // namespace cairn
