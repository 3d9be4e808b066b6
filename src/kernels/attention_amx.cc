// Attention by AMX: queries, keys, probabilities and values as bf16, sixteen rows times sixteen outputs a
// tile. Tiles are loaded with as many rows as a group has; an output's sum depends on its own row alone.
//
// Both products are taken in steps of 32 factors (elements of the head; positions of a block) in ascending
// order from an aligned beginning; a step that a row does not see adds zeros to its sum. So it may be left
// out where no row of the group sees it. The sum of probabilities is that of the f32 numbers, before they are
// rounded.
#include "kernels/attention_amx.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <utility>

#include "kernels/amx.h"

namespace cairn {
namespace {

constexpr int32_t kPieceLines = 16;     // lines that are widened, then packed: they stay in first-level cache
constexpr int64_t kTileElements = 512;  // of a tile of bf16 pairs: [16][16][2]

constexpr int64_t padded32(int64_t n) { return (n + 31) / 32 * 32; }

// Work space, in the floats of AttentionScratch. Tiles are contiguous, each line 64 bytes.
struct Places {
  uint16_t* keys;           // [kSpanBlocks][padded32 / 32][2 x 16 positions][16 pairs of elements][16][2]
  uint16_t* values;         // [kSpanBlocks][padded / 16][16 pairs of positions][16 elements][2]
  uint16_t* queries;        // [padded32 / 32][16 rows][32]
  uint16_t* probabilities;  // [kSpanBlocks][16 rows][32 positions]
  float* scores;            // [16 rows][kSpanSize]
  float* sums;              // [16 rows][padded]
  float* piece;             // [kPieceLines][lanes]

  Places(float* memory, int64_t head_dim) {
    const int64_t lanes = padded32(head_dim);
    const auto take = [&memory](int64_t floats) { return std::exchange(memory, memory + floats); };
    const auto take_halves = [&take](int64_t n) { return reinterpret_cast<uint16_t*>(take(n / 2)); };
    keys = take_halves(kSpanSize * lanes);
    values = take_halves(kSpanSize * lanes);
    queries = take_halves(kGroupRows * lanes);
    probabilities = take_halves(int64_t{kGroupRows} * kSpanSize);
    scores = take(int64_t{kGroupRows} * kSpanSize);
    sums = take(kGroupRows * lanes);
    piece = take(kPieceLines * lanes);
  }
};

// gcc 12 does not know that tile loads read memory: what is packed must be there before them, and must not
// change before they are done.
CAIRN_AMX_INLINE void settle_memory() { __asm__ volatile("" : : : "memory"); }

// Sixteen lanes of two lines, rounded to bf16, as pairs; zeros for a line that is not there.
CAIRN_AMX_INLINE void pack_pairs(const float* even, bool has_even, const float* odd, bool has_odd,
                                 uint16_t* to) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512 low = _mm512_maskz_loadu_ps(has_even ? 0xFFFF : 0, even);
  const __m512 high = _mm512_maskz_loadu_ps(has_odd ? 0xFFFF : 0, odd);
  const auto rounded = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  _mm512_store_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), rounded));
}

// One span's keys and values, packed: block by block, each when it is first asked for.
class PackedSpan {
 public:
  PackedSpan(const AttentionTile& tile, const SpanLines& lines, bool one_group, const Places& places)
      : tile_(tile), lines_(lines), places_(places) {
    const int64_t lanes = padded32(tile.keys.head_dim);
    // One group of rows uses a block's keys once, and its values once if their sums fit four tiles: then they
    // share a place that stays in first-level cache.
    key_step_ = one_group ? 0 : kBlockSize * lanes;
    value_step_ = one_group && lanes <= 64 ? 0 : kBlockSize * lanes;
  }

  CAIRN_AMX const uint16_t* keys(int32_t b) {
    uint16_t* const to = places_.keys + b * key_step_;
    if (is_new(b, have_keys_)) pack_keys(stored_keys(tile_, lines_.low, b), after_keys(tile_, lines_, b), to);
    return to;
  }
  CAIRN_AMX const uint16_t* values(int32_t b) {
    uint16_t* const to = places_.values + b * value_step_;
    if (is_new(b, have_values_)) {
      pack_values(stored_values(tile_, lines_.low, b), lines_.block[b], after_values(tile_, lines_, b), to);
    }
    return to;
  }

 private:
  static bool is_new(int32_t b, uint32_t& have) {
    const bool is = (have >> b & 1U) == 0;
    have |= 1U << b;
    return is;
  }
  // Lines [first, last) as f32, and a part of what comes next asked for.
  CAIRN_AMX const float* widen(const StoredTile& stored, const KvTileShape& shape, int32_t first,
                               int32_t last, StoredTile& ahead) {
    const int64_t share = (ahead.bytes * kPieceLines / shape.lines + 63) / 64 * 64;
    for (int64_t i = 0; i < share; i += 64) _mm_prefetch(ahead.data + i, _MM_HINT_T1);
    ahead.data += share;
    if (stored.is_f32()) return stored.floats() + first * stored.f32_stride;
    avx512::decode_kv(shape, stored.data, first, last - first, places_.piece);
    return places_.piece;
  }
  CAIRN_AMX void pack_keys(const StoredTile& stored, StoredTile ahead, uint16_t* to);
  CAIRN_AMX void pack_values(const StoredTile& stored, LineRange seen, StoredTile ahead, uint16_t* to);

  const AttentionTile& tile_;
  const SpanLines& lines_;
  const Places& places_;
  int64_t key_step_, value_step_;  // elements from one block's place to the next
  uint32_t have_keys_ = 0;         // bit b: block b is packed
  uint32_t have_values_ = 0;
};

CAIRN_AMX void PackedSpan::pack_keys(const StoredTile& stored, StoredTile ahead, uint16_t* to) {
  const int32_t head_dim = tile_.keys.head_dim;
  settle_memory();
  for (int32_t first = 0; first < padded32(head_dim); first += kPieceLines) {
    const int32_t last = std::min(first + kPieceLines, head_dim);
    const float* lines = first < last ? widen(stored, tile_.keys, first, last, ahead) : places_.piece;
    uint16_t* const tiles = to + first / 32 * 2 * kTileElements + first % 32 * 16;
    for (int32_t i = 0; i < kPieceLines; i += 2) {
      for (int32_t half = 0; half < 2; ++half) {
        const float* from = lines + i * kBlockSize + 16 * half;
        pack_pairs(from, first + i < last, from + kBlockSize, first + i + 1 < last,
                   tiles + half * kTileElements + i * 16);
      }
    }
  }
  settle_memory();
}

// Lines that no row of the tile sees may be garbage: zeros stand for them.
CAIRN_AMX void PackedSpan::pack_values(const StoredTile& stored, LineRange seen, StoredTile ahead,
                                       uint16_t* to) {
  const int64_t stride = stored.is_f32() ? stored.f32_stride : tile_.values.lanes;
  const int64_t padded = attention_padded(tile_.values.head_dim);
  settle_memory();
  for (int32_t first = 0; first < kBlockSize; first += kPieceLines) {
    const int32_t begin = std::max(first, seen.begin);
    const int32_t end = std::min(first + kPieceLines, seen.end);
    const float* lines = begin < end ? widen(stored, tile_.values, begin, end, ahead) : places_.piece;
    for (int32_t i = first; i < first + kPieceLines; i += 2) {
      for (int64_t d = 0; d < padded; d += 16) {
        const float* from = lines + (i - begin) * stride + d;
        pack_pairs(from, i >= begin && i < end, from + stride, i + 1 >= begin && i + 1 < end,
                   to + d / 16 * kTileElements + i * 16);
      }
    }
  }
  settle_memory();
}

// Rows of 32 floats, rounded; `count` of them are there, zeros behind.
CAIRN_AMX_INLINE void round_row(const float* from, int64_t count, uint16_t* to) {
  const auto low = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1U << count) - 1U);
  const auto high = static_cast<__mmask16>(count >= 32   ? 0xFFFF
                                           : count <= 16 ? 0
                                                         : (1U << (count - 16)) - 1U);
  const __m512 a = _mm512_maskz_loadu_ps(low, from);
  const __m512 b = _mm512_maskz_loadu_ps(high, from + 16);
  _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

CAIRN_AMX void round_queries(const RowGroup& group, int32_t head_dim, uint16_t* queries) {
  settle_memory();
  for (int32_t d = 0; d < head_dim; d += 32) {
    for (int32_t r = 0; r < group.count; ++r) {
      round_row(group.rows[r]->query + d, head_dim - d, queries + (d * kGroupRows + r * 32));
    }
  }
  settle_memory();
}

CAIRN_AMX void round_probabilities(const RowGroup& group, const float* scores, uint16_t* probabilities) {
  settle_memory();
  for (int32_t b = group.lines.seen_from(0); b < kSpanBlocks; b = group.lines.seen_from(b + 1)) {
    for (int32_t r = 0; r < group.count; ++r) {
      round_row(scores + r * kSpanSize + b * kBlockSize, 32, probabilities + (b * kGroupRows + r) * 32);
    }
  }
  settle_memory();
}

// Tiles 0-3 hold sums, 4 rows of factors, 5-7 pairs of lines.
CAIRN_AMX void configure(int32_t rows) {
  TileConfig config;
  for (int i = 0; i < 5; ++i) config.set(i, rows, 64);
  for (int i = 5; i < 8; ++i) config.set(i, 16, 64);
  load_config(config);
}

CAIRN_AMX void score_group(const RowGroup& group, PackedSpan& span, int32_t head_dim, const Places& places) {
  constexpr size_t kRowBytes = kSpanSize * sizeof(float);
  for (int32_t b = group.lines.seen_from(0); b < kSpanBlocks; b = group.lines.seen_from(b + 1)) {
    const uint16_t* keys = span.keys(b);
    _tile_zero(0);
    _tile_zero(1);
    for (int32_t d = 0; d < head_dim; d += 32, keys += 2 * kTileElements) {
      _tile_loadd(4, places.queries + d * kGroupRows, 64);
      _tile_loadd(5, keys, 64);
      _tile_dpbf16ps(0, 4, 5);
      _tile_loadd(6, keys + kTileElements, 64);
      _tile_dpbf16ps(1, 4, 6);
    }
    _tile_stored(0, places.scores + b * kBlockSize, kRowBytes);
    _tile_stored(1, places.scores + b * kBlockSize + 16, kRowBytes);
  }
  settle_memory();
}

// `vectors` (1 to 4) times sixteen elements from `first` on, all blocks.
CAIRN_AMX void sum_columns(const RowGroup& group, PackedSpan& span, const Places& places, int64_t padded,
                           int64_t first, int64_t vectors) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int32_t b = group.lines.seen_from(0); b < kSpanBlocks; b = group.lines.seen_from(b + 1)) {
    const uint16_t* values = span.values(b) + first / 16 * kTileElements;
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
  }
  const size_t row_bytes = static_cast<size_t>(padded) * sizeof(float);
  float* const out = places.sums + first;
  _tile_stored(0, out, row_bytes);
  if (vectors > 1) _tile_stored(1, out + 16, row_bytes);
  if (vectors > 2) _tile_stored(2, out + 32, row_bytes);
  if (vectors > 3) _tile_stored(3, out + 48, row_bytes);
}

CAIRN_AMX void sum_group(const RowGroup& group, PackedSpan& span, const Places& places, int64_t padded) {
  for (int64_t d = 0; d < padded; d += 64) {
    sum_columns(group, span, places, padded, d, std::min<int64_t>(4, (padded - d) / 16));
  }
  settle_memory();
  for (int64_t i = 0; i < group.count * padded; i += 16) {  // -0 becomes 0
    _mm512_store_ps(places.sums + i, _mm512_add_ps(_mm512_load_ps(places.sums + i), _mm512_setzero_ps()));
  }
}

CAIRN_AMX void attend_span(const AttentionTile& tile, int32_t low, const Places& places,
                           int32_t& configured) {
  const int32_t head_dim = tile.keys.head_dim;
  const int64_t padded = attention_padded(head_dim);
  const SpanLines lines = lines_seen(tile, low);
  size_t at = 0;
  RowGroup group = next_group(tile, low, at);
  PackedSpan span(tile, lines, at == tile.rows.size(), places);
  for (; group.count > 0; group = next_group(tile, low, at)) {
    if (group.count != configured) configure(configured = group.count);
    round_queries(group, head_dim, places.queries);
    score_group(group, span, head_dim, places);
    const SpanResult result = avx512::soft_max(group, tile.soft_cap, places.scores);
    round_probabilities(group, places.scores, places.probabilities);
    sum_group(group, span, places, padded);
    float* states[kGroupRows];
    for (int32_t r = 0; r < group.count; ++r) states[r] = group.rows[r]->state;
    avx512::merge_span(result, places.sums, padded, states, group.count);
  }
}

}  // namespace

CAIRN_AMX void attend_amx(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch) {
  if (tile.keys.codec.format == KvFormat::kF32 || tile.values.codec.format == KvFormat::kF32) {
    return avx512::attend(tile, spans, scratch);
  }
  const Places places(scratch.floats, tile.keys.head_dim);
  int32_t configured = 0;  // rows of the tiles
  for (int32_t s = spans.first; s < spans.last; ++s) attend_span(tile, s * kSpanSize, places, configured);
  if (configured != 0) _tile_release();
}

}  // namespace cairn

#endif  // __x86_64__
