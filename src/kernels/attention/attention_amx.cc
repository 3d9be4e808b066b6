// Attention by AMX: queries, keys, probabilities and values as bf16, sixteen rows times sixteen outputs a
// tile. Tiles are loaded with as many rows as a group has; an output's sum depends on its own row alone.
// A block is decoded before the one in front of it is multiplied, so that tiles do not wait for their memory.
//
// Both products are taken in steps of 32 factors (elements of the head; positions of a block) in ascending order from an
// aligned start. A step that a row does not see adds zeros to its sum, so steps that no row of the group sees are left
// out. Probabilities are summed as f32, before they are rounded.
#include "kernels/attention/attention_amx.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "kernels/amx.h"
#include "kernels/attention/attention_amx_pack.h"

namespace cairn {
namespace {

// Tiles 0-3 hold sums, 4 rows of factors, 5-7 pairs of lines.
CAIRN_AMX void configure(int32_t rows) {
  TileConfig config;
  for (int i = 0; i < 5; ++i) config.set(i, rows, 64);
  for (int i = 5; i < 8; ++i) config.set(i, 16, 64);
  load_config(config);
}

constexpr size_t kScoreRowBytes = kSpanSize * sizeof(float);

// One block's scores, by two tiles of sums; blocks take turns, since a tile is busy until its sums are stored.
// (Intrinsics take tiles as literals.)
#define CAIRN_SCORE_BLOCK(name, sum0, sum1)                                                        \
  CAIRN_AMX_INLINE void name(const uint16_t* queries, const uint16_t* keys, const uint16_t* ahead, \
                             int32_t head_dim, float* scores) {                                    \
    _tile_zero(sum0);                                                                              \
    _tile_zero(sum1);                                                                              \
    for (int32_t d = 0; d < head_dim; d += 32, keys += 2 * kTileElements) {                        \
      if (ahead != nullptr) prefetch_lines<32>(ahead + d / 32 * 2 * kTileElements);                \
      _tile_loadd(4, queries + d * kGroupRows, 64);                                                \
      _tile_loadd(5, keys, 64);                                                                    \
      _tile_dpbf16ps(sum0, 4, 5);                                                                  \
      _tile_loadd(6, keys + kTileElements, 64);                                                    \
      _tile_dpbf16ps(sum1, 4, 6);                                                                  \
    }                                                                                              \
    _tile_stored(sum0, scores, kScoreRowBytes);                                                    \
    _tile_stored(sum1, scores + 16, kScoreRowBytes);                                               \
  }
CAIRN_SCORE_BLOCK(score_block, 0, 1)
CAIRN_SCORE_BLOCK(score_other_block, 2, 3)
#undef CAIRN_SCORE_BLOCK

CAIRN_AMX void score_group(const RowGroup& group, PackedSpan& span, int32_t head_dim,
                           const AmxPlaces& places) {
  const int32_t first = group.lines.seen_from(0);
  const uint16_t* keys = span.keys(first);
  bool other = false;
  for (int32_t b = first, next; b < kSpanBlocks; b = next, other = !other) {
    next = group.lines.seen_from(b + 1);
    const uint16_t* const next_keys = next < kSpanBlocks ? span.keys(next) : nullptr;
    const uint16_t* const ahead = span.keys_ahead(next, first);
    float* const scores = places.scores + b * kBlockSize;
    if (other) {
      score_other_block(places.queries, keys, ahead, head_dim, scores);
    } else {
      score_block(places.queries, keys, ahead, head_dim, scores);
    }
    keys = next_keys;
  }
  settle_memory();
}

// `vectors` (1 to 4) times sixteen elements from `first` on, all blocks.
CAIRN_AMX void sum_columns(const RowGroup& group, PackedSpan& span, const AmxPlaces& places, int64_t padded,
                           int64_t first, int64_t vectors) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int32_t first_block = group.lines.seen_from(0);
  const uint16_t* values = span.values(first_block, first, vectors);
  for (int32_t b = first_block, next; b < kSpanBlocks; b = next) {
    next = group.lines.seen_from(b + 1);
    const uint16_t* const next_values = next < kSpanBlocks ? span.values(next, first, vectors) : nullptr;
    const uint16_t* const ahead = span.values_ahead(next, first_block);
    if (ahead != nullptr) prefetch_lines<64>(ahead + first / 16 * kTileElements);
    _tile_loadd(4, places.probabilities + b * kGroupRows * 32, 64);
    _tile_loadd(5, values, 64);
    _tile_dpbf16ps(0, 4, 5);
    if (vectors > 1) {
      _tile_loadd(6, values + kTileElements, 64);
      _tile_dpbf16ps(1, 4, 6);
    }
    if (vectors > 2) {
      _tile_loadd(7, values + 2 * kTileElements, 64);
      _tile_dpbf16ps(2, 4, 7);
    }
    if (vectors > 3) {
      _tile_loadd(5, values + 3 * kTileElements, 64);
      _tile_dpbf16ps(3, 4, 5);
    }
    values = next_values;
  }
  const size_t row_bytes = static_cast<size_t>(padded) * sizeof(float);
  float* const out = places.sums + first;
  _tile_stored(0, out, row_bytes);
  if (vectors > 1) _tile_stored(1, out + 16, row_bytes);
  if (vectors > 2) _tile_stored(2, out + 32, row_bytes);
  if (vectors > 3) _tile_stored(3, out + 48, row_bytes);
}

CAIRN_AMX void sum_group(const RowGroup& group, PackedSpan& span, const AmxPlaces& places, int64_t padded,
                         float factor) {
  for (int64_t d = 0; d < padded; d += 64) {
    sum_columns(group, span, places, padded, d, std::min<int64_t>(4, (padded - d) / 16));
  }
  settle_memory();
  const __m512 by = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < group.count * padded; i += 16) {  // -0 becomes 0
    _mm512_store_ps(places.sums + i,
                    _mm512_fmadd_ps(_mm512_load_ps(places.sums + i), by, _mm512_setzero_ps()));
  }
}

CAIRN_AMX void attend_span(const AttentionTile& tile, int64_t low, const AmxPlaces& places,
                           int32_t& configured) {
  const int32_t head_dim = tile.keys.head_dim;
  const int64_t padded = attention_padded(head_dim);
  const float key_factor = cut_factor(tile.keys.codec.format);
  const float value_factor = cut_factor(tile.values.codec.format);
  const SpanLines lines = lines_seen(tile, low);
  size_t at = 0;
  RowGroup group = next_group(tile, low, at);
  PackedSpan span(tile, lines, at == tile.rows.size(), places);
  for (; group.count > 0; group = next_group(tile, low, at)) {
    if (group.count != configured) configure(configured = group.count);
    round_queries(group, head_dim, key_factor, places.queries);
    score_group(group, span, head_dim, places);
    const SpanResult result = attention_parts::soft_max(group, tile.soft_cap, places.scores);
    round_probabilities(group, places.scores, places.probabilities);
    sum_group(group, span, places, padded, value_factor);
    attention_parts::merge_span(result, places.sums, padded, group.states, group.count);
  }
}

}  // namespace

CAIRN_AMX void attend_amx(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  if (tile.keys.codec.format == KvFormat::kF32 || tile.values.codec.format == KvFormat::kF32) {
    return attention_parts::attend(tile, spans, scratch);
  }
  const AmxPlaces places(scratch.floats, tile.keys.head_dim);
  int32_t configured = 0;  // rows of the tiles
  for (int64_t s = spans.first; s < spans.last; ++s) attend_span(tile, s * kSpanSize, places, configured);
  if (configured != 0) _tile_release();
}

}  // namespace cairn

#endif  // __x86_64__
