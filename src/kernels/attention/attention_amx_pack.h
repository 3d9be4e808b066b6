// The operands of attention by AMX: a span's keys and values, queries and probabilities, as contiguous tiles of bf16
// with lines of 64 bytes. Only for files that compile functions with CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include <cstdint>

#include "kernels/attention/attention_span.h"

namespace cairn {

inline constexpr int64_t kTileElements = 512;  // of a tile of bf16: [16][32], or of pairs [16][16][2]

// Work memory, in the floats of AttentionScratch; padded32: head_dim rounded up to 32.
struct AmxPlaces {
  AmxPlaces(float* memory, int64_t head_dim);

  uint16_t* keys;           // [kSpanBlocks][padded32 / 32][2 x 16 positions][16 pairs of elements][16][2]
  uint16_t* values;         // [kSpanBlocks][padded / 16][16 pairs of positions][16 elements][2]
  uint16_t* queries;        // [padded32 / 32][16 rows][32]
  uint16_t* probabilities;  // [kSpanBlocks][16 rows][32 positions]
  float* scores;            // [16 rows][kSpanSize]
  float* sums;              // [16 rows][padded]
  float* piece;             // lines that are widened, then packed, while they are in first-level cache
};

// A span's keys and values, packed block by block, each on first use.
class PackedSpan {
 public:
  // `lines`: all that the tile's rows see. `one_group`: whether its rows are one group.
  PackedSpan(const AttentionTile& tile, const SpanLines& lines, bool one_group, const AmxPlaces& places);

  // Valid until the next call.
  const uint16_t* keys(int32_t b);
  const uint16_t* values(int32_t b);

  // Where they are once they are packed, for prefetching; null where blocks share one place, which stays in
  // first-level cache. Past the last block: where the other half of attention begins, at block `first`.
  [[nodiscard]] const uint16_t* keys_ahead(int32_t b, int32_t first) const;
  [[nodiscard]] const uint16_t* values_ahead(int32_t b, int32_t first) const;

 private:
  const float* widen(const StoredTile& stored, const KvTileShape& shape, LineRange lines, StoredTile& ahead);
  void pack_keys(const StoredTile& stored, StoredTile ahead, uint16_t* to);
  void pack_values(const StoredTile& stored, LineRange seen, StoredTile ahead, uint16_t* to);

  const AttentionTile& tile_;
  const SpanLines& lines_;
  const AmxPlaces& places_;
  int64_t key_step_, value_step_;  // elements from one block's place to the next
  uint32_t have_keys_ = 0;         // bit b: block b is packed
  uint32_t have_values_ = 0;
};

void round_queries(const RowGroup& group, int32_t head_dim, uint16_t* queries);
// Only of the blocks that some row of the group sees.
void round_probabilities(const RowGroup& group, const float* scores, uint16_t* probabilities);

}  // namespace cairn

#endif  // __x86_64__
