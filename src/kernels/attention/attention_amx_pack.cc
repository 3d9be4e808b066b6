#include "kernels/attention/attention_amx_pack.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <utility>

#include "kernels/amx.h"

namespace cairn {
namespace {

constexpr int64_t padded32(int64_t n) { return (n + 31) / 32 * 32; }

bool is_new(int32_t b, uint32_t& have) {
  const bool is = (have >> b & 1U) == 0;
  have |= 1U << b;
  return is;
}

// Memory is asked for this many blocks before it is decoded.
constexpr int32_t kBlocksAhead = 4;

// The block `steps` seen blocks after `b`, which takes the steps; past the last, the steps left over stay.
int32_t steps_after(const SpanLines& lines, int32_t b, int32_t& steps) {
  for (; steps > 0 && b < kSpanBlocks; --steps) b = lines.seen_from(b + 1);
  return b;
}

// Rounds a row of 32 floats times `factor`; only the first `count` exist, and zeros follow.
CAIRN_AMX_INLINE void round_row(const float* from, int64_t count, float factor, uint16_t* to) {
  const __m512 by = _mm512_set1_ps(factor);
  const Row32 row = load_row(from, count);
  _mm512_store_si512(to,
                     (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(row.high, by), _mm512_mul_ps(row.low, by)));
}

}  // namespace

AmxPlaces::AmxPlaces(float* memory, int64_t head_dim) {
  const int64_t lanes = padded32(head_dim);
  const auto take = [&memory](int64_t floats) { return std::exchange(memory, memory + floats); };
  const auto take_halves = [&take](int64_t n) { return reinterpret_cast<uint16_t*>(take(n / 2)); };
  keys = take_halves(kSpanSize * lanes);
  values = take_halves(kSpanSize * lanes);
  queries = take_halves(kGroupRows * lanes);
  probabilities = take_halves(int64_t{kGroupRows} * kSpanSize);
  scores = take(int64_t{kGroupRows} * kSpanSize);
  sums = take(kGroupRows * lanes);
  scales = take(2 * lanes);
}

PackedSpan::PackedSpan(const AttentionTile& tile, const SpanLines& lines, bool one_group,
                       const AmxPlaces& places)
    : tile_(tile),
      lines_(lines),
      places_(places),
      one_group_(one_group),
      block_(kBlockSize * padded32(tile.keys.head_dim)) {}

uint16_t* PackedSpan::place(uint16_t* all, int32_t b) {
  return all + block_ * (one_group_ ? static_cast<int32_t>(turn_++ % 2) : b);
}

CAIRN_AMX const uint16_t* PackedSpan::keys(int32_t b) {
  uint16_t* const to = place(places_.keys, b);
  if (!is_new(b, have_keys_)) return to;
  settle_memory();
  decode_pairs({.shape = &tile_.keys,
                .stored = stored_keys(tile_, lines_.low, b),
                .last = (tile_.keys.head_dim + kSquare - 1) / kSquare,
                .scales = places_.scales,
                .ahead = stored_ahead_of_keys(b)},
               to);
  settle_memory();
  return to;
}

CAIRN_AMX const uint16_t* PackedSpan::values(int32_t b, int64_t first, int64_t vectors) {
  uint16_t* const to = place(places_.values, b);
  if (!one_group_ && !is_new(b, have_values_)) return to + first / 16 * kTileElements;
  const int64_t padded = attention_padded(tile_.values.head_dim);
  const int64_t begin = one_group_ ? first : 0;
  const int64_t end = one_group_ ? first + vectors * 16 : padded;
  settle_memory();
  decode_pairs({.shape = &tile_.values,
                .stored = stored_values(tile_, lines_.low, b),
                .seen = lines_.block[b],
                .first = static_cast<int32_t>(begin / kSquare),
                .last = static_cast<int32_t>((end + kSquare - 1) / kSquare),
                .scales = places_.scales,
                .ahead = stored_ahead_of_values(b, begin == 0, end == padded)},
               to);
  settle_memory();
  return to + (first - begin) / 16 * kTileElements;
}

const uint16_t* PackedSpan::keys_ahead(int32_t b, int32_t first) const {
  if (one_group_) return nullptr;
  return b < kSpanBlocks ? places_.keys + b * block_ : places_.values + first * block_;
}

const uint16_t* PackedSpan::values_ahead(int32_t b, int32_t first) const {
  if (one_group_) return nullptr;
  return b < kSpanBlocks ? places_.values + b * block_ : places_.keys + first * block_;
}

// Where a span is too short to look so far, it is the next block.
StoredTile PackedSpan::stored_ahead_of_keys(int32_t b) const {
  int32_t steps = kBlocksAhead;
  const int32_t later = steps_after(lines_, b, steps);
  if (later < kSpanBlocks) return stored_keys(tile_, lines_.low, later);
  const int32_t of_values = steps_after(lines_, lines_.seen_from(0), steps);
  if (of_values < kSpanBlocks) return stored_values(tile_, lines_.low, of_values);
  return after_keys(tile_, lines_, b);
}

// Values are read from memory with the first columns; then come the next span's keys.
StoredTile PackedSpan::stored_ahead_of_values(int32_t b, bool first_columns, bool last_columns) const {
  int32_t steps = kBlocksAhead;
  const int32_t later = steps_after(lines_, b, steps);
  if (later < kSpanBlocks) return first_columns ? stored_values(tile_, lines_.low, later) : StoredTile{};
  const int64_t behind = lines_.low + kSpanSize;
  const VisibleRange& range = tile_.rows[0].visible;
  if (range.begin <= behind && range.end > behind + int64_t{steps} * kBlockSize) {
    return last_columns ? stored_keys(tile_, behind, steps) : StoredTile{};
  }
  return first_columns ? after_values(tile_, lines_, b) : StoredTile{};
}

CAIRN_AMX void round_queries(const RowGroup& group, int32_t head_dim, float factor, uint16_t* queries) {
  settle_memory();
  for (int32_t d = 0; d < head_dim; d += 32) {
    for (int32_t r = 0; r < group.count; ++r) {
      round_row(group.ranges[r]->query + d, head_dim - d, factor, queries + (d * kGroupRows + r * 32));
    }
  }
  settle_memory();
}

CAIRN_AMX void round_probabilities(const RowGroup& group, const float* scores, uint16_t* probabilities) {
  settle_memory();
  for (int32_t b = group.lines.seen_from(0); b < kSpanBlocks; b = group.lines.seen_from(b + 1)) {
    for (int32_t r = 0; r < group.count; ++r) {
      round_row(scores + r * kSpanSize + b * kBlockSize, 32, 1, probabilities + (b * kGroupRows + r) * 32);
    }
  }
  settle_memory();
}

}  // namespace cairn

#endif  // __x86_64__
