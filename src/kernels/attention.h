// Attention over blocks: the structs that its kernels read, and what they compute.
//
// For a query at position t of head h, over the positions j that it sees (window_begin <= j <= t):
//   s_j = cap(scale * q . k_j),  o = sum_j softmax(s)_j v_j
// Positions are taken in spans of kSpanSize, aligned to absolute position. A span is reduced alone:
//   m = max s_j,  p_j = e^(s_j - m),  l = sum p_j,  o = sum p_j v_j   (ascending j)
// and spans are merged in ascending order (online softmax: Milakov and Gimelshein 2018; Dao et al. 2022).
// The order of every sum is fixed by positions alone:
//   q . k: over the head's elements, ascending, one fma each;  l: sixteen lanes j mod 16, then halves;
//   o: over j ascending, one fma each. A span without a visible position is skipped.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/batch.h"

namespace cairn {

// Where one position's key and value of one KV head go: a tile of the block (KvLayout), column `offset` of
// it.
struct KvSlot {
  KvType type = KvType::kF16;
  int32_t head_dim = 0;
  int32_t offset = 0;  // position % kBlockSize
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
};

inline constexpr int32_t kAttentionRows = 16;  // (query position, query head) pairs in a tile

// Some rows that share a KV head: for consecutive query positions, all query heads of the group.
struct AttentionTile {
  KvType type = KvType::kF16;
  int32_t head_dim = 0;
  int32_t row_count = 0;                    // <= kAttentionRows
  const float* query[kAttentionRows] = {};  // [head_dim] each, already multiplied by the attention scale
  float* output[kAttentionRows] = {};       // [head_dim] each
  int32_t begin[kAttentionRows] = {};       // the first position that the row sees
  int32_t end[kAttentionRows] = {};         // one past the last: its own position + 1
  float soft_cap = 0;                       // 0: none
  std::byte* const* blocks = nullptr;       // the sequence's blocks
  int64_t keys_offset = 0;                  // of this layer and KV head inside a block
  int64_t values_offset = 0;
};

// Work space of one thread.
struct AttentionScratch {
  float* scores = nullptr;  // [kAttentionRows][kSpanSize]
  float* sums = nullptr;    // [2][kAttentionRows][head_dim rounded up to 16]: the span's, and the merged
};
[[nodiscard]] constexpr int64_t attention_scratch_floats(int64_t head_dim) {
  return kAttentionRows * (kSpanSize + 2 * ((head_dim + 15) / 16 * 16));
}
[[nodiscard]] inline AttentionScratch attention_scratch(float* floats) {
  return {floats, floats + kAttentionRows * kSpanSize};
}

}  // namespace cairn
