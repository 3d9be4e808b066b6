// The operands of attention by AMX: a span's keys and values, queries and probabilities, as contiguous tiles of bf16
// with lines of 64 bytes; keys and values cut, the others rounded. Only for files that compile functions with CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include <cstdint>

#include "kernels/attention/attention_amx_decode.h"
#include "kernels/attention/attention_span.h"

namespace cairn {

// Work memory, in the floats of AttentionScratch; padded32: head_dim rounded up to 32.
struct AmxPlaces {
  AmxPlaces(float* memory, int64_t head_dim);

  uint16_t* keys;           // [kSpanBlocks][padded32 / 32][2 x 16 positions][16 pairs of elements][16][2]
  uint16_t* values;         // [kSpanBlocks][padded / 16][16 pairs of positions][16 elements][2]
  uint16_t* queries;        // [padded32 / 32][16 rows][32]
  uint16_t* probabilities;  // [kSpanBlocks][16 rows][32 positions]
  float* scores;            // [16 rows][kSpanSize]
  float* sums;              // [16 rows][padded]
  float* scales;            // [2 * padded32]: of the block that is being decoded
};

// A span's keys and values, decoded block by block, each on first use.
class PackedSpan {
 public:
  // `lines`: all that the tile's rows see. `one_group`: whether its rows are one group. Such a group uses each block
  // once, in order, so two places that stay in first-level cache are enough, and values are decoded 64 elements of the
  // head at a time, as they are used.
  PackedSpan(const AttentionTile& tile, const SpanLines& lines, bool one_group, const AmxPlaces& places);

  // Valid until the call after the next, so that a block can be decoded while the one before it is multiplied.
  const uint16_t* keys(int32_t b);
  // `vectors` times sixteen elements from `first` on, a multiple of 64.
  const uint16_t* values(int32_t b, int64_t first, int64_t vectors);

  // Where they are once they are decoded, for prefetching; null where one group uses them. Past the last block: where
  // the other half of attention begins, at block `first`.
  [[nodiscard]] const uint16_t* keys_ahead(int32_t b, int32_t first) const;
  [[nodiscard]] const uint16_t* values_ahead(int32_t b, int32_t first) const;

 private:
  [[nodiscard]] StoredTile stored_ahead_of_keys(int32_t b) const;
  [[nodiscard]] StoredTile stored_ahead_of_values(int32_t b, bool first_columns, bool last_columns) const;
  uint16_t* place(uint16_t* all, int32_t b);

  const AttentionTile& tile_;
  const SpanLines& lines_;
  const AmxPlaces& places_;
  bool one_group_;
  int64_t block_;           // elements of a block's place
  uint32_t turn_ = 0;       // of the two places
  uint32_t have_keys_ = 0;  // bit b: block b is decoded
  uint32_t have_values_ = 0;
};

// Multiplied by `factor`, then rounded.
void round_queries(const RowGroup& group, int32_t head_dim, float factor, uint16_t* queries);
// Only of the blocks that some row of the group sees.
void round_probabilities(const RowGroup& group, const float* scores, uint16_t* probabilities);

}  // namespace cairn

#endif  // __x86_64__
