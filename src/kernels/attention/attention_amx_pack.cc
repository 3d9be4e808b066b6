#include "kernels/attention/attention_amx_pack.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <utility>

#include "kernels/amx.h"
#include "kernels/attention/attention_amx.h"

namespace cairn {
namespace {

constexpr int32_t kPieceLines = 32;  // a tile of pairs; all positions of a block
static_assert(kPieceLines == kBlockSize);

constexpr int64_t padded32(int64_t n) { return (n + 31) / 32 * 32; }

bool is_new(int32_t b, uint32_t& have) {
  const bool is = (have >> b & 1U) == 0;
  have |= 1U << b;
  return is;
}

// Sixteen lanes of two lines, rounded to bf16, as pairs.
CAIRN_AMX_INLINE void pack_pairs(const float* even, const float* odd, uint16_t* to) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const auto rounded = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(odd), _mm512_loadu_ps(even));
  _mm512_store_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), rounded));
}

// Used in place of a missing line.
alignas(64) constexpr float kZeros[16] = {};

// Packs sixteen lanes of kPieceLines lines. Only the lines of `there` exist; they begin at `lines`, `stride` apart.
CAIRN_AMX_INLINE void pack_tile(const float* lines, int64_t stride, LineRange there, uint16_t* to) {
  if (there.begin == 0 && there.end == kPieceLines) {
    for (int32_t i = 0; i < kPieceLines; i += 2)
      pack_pairs(lines + i * stride, lines + (i + 1) * stride, to + i * 16);
    return;
  }
  const auto line = [&](int32_t i) {
    return i >= there.begin && i < there.end ? lines + (i - there.begin) * stride : kZeros;
  };
  for (int32_t i = 0; i < kPieceLines; i += 2) pack_pairs(line(i), line(i + 1), to + i * 16);
}

// Rounds a row of 32 floats; only the first `count` exist, and zeros follow.
CAIRN_AMX_INLINE void round_row(const float* from, int64_t count, uint16_t* to) {
  const auto low = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1U << count) - 1U);
  const auto high = static_cast<__mmask16>(count >= 32   ? 0xFFFF
                                           : count <= 16 ? 0
                                                         : (1U << (count - 16)) - 1U);
  const __m512 a = _mm512_maskz_loadu_ps(low, from);
  const __m512 b = _mm512_maskz_loadu_ps(high, from + 16);
  _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(b, a));
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
  piece = take(kPieceLines * std::max<int64_t>(kBlockSize, lanes));
}

// One group of rows uses a block's keys once, and its values once if their sums fit in four tiles: then all blocks
// share one place, which stays in first-level cache.
PackedSpan::PackedSpan(const AttentionTile& tile, const SpanLines& lines, bool one_group,
                       const AmxPlaces& places)
    : tile_(tile), lines_(lines), places_(places) {
  const int64_t block = kBlockSize * padded32(tile.keys.head_dim);
  key_step_ = one_group ? 0 : block;
  value_step_ = one_group && tile.keys.head_dim <= 64 ? 0 : block;
}

const uint16_t* PackedSpan::keys(int32_t b) {
  uint16_t* const to = places_.keys + b * key_step_;
  if (is_new(b, have_keys_)) pack_keys(stored_keys(tile_, lines_.low, b), after_keys(tile_, lines_, b), to);
  return to;
}

const uint16_t* PackedSpan::values(int32_t b) {
  uint16_t* const to = places_.values + b * value_step_;
  if (is_new(b, have_values_)) {
    pack_values(stored_values(tile_, lines_.low, b), lines_.block[b], after_values(tile_, lines_, b), to);
  }
  return to;
}

const uint16_t* PackedSpan::keys_ahead(int32_t b, int32_t first) const {
  if (key_step_ == 0) return nullptr;
  return b < kSpanBlocks ? places_.keys + b * key_step_ : places_.values + first * value_step_;
}

const uint16_t* PackedSpan::values_ahead(int32_t b, int32_t first) const {
  if (value_step_ == 0) return nullptr;
  return b < kSpanBlocks ? places_.values + b * value_step_ : places_.keys + first * key_step_;
}

// Returns these lines as f32, and prefetches a part of what is read next.
CAIRN_AMX const float* PackedSpan::widen(const StoredTile& stored, const KvTileShape& shape, LineRange lines,
                                         StoredTile& ahead) {
  const int64_t share = (ahead.bytes * kPieceLines / shape.lines + 63) / 64 * 64;
  for (int64_t i = 0; i < share; i += 64) _mm_prefetch(ahead.data + i, _MM_HINT_T1);
  ahead.data += share;
  if (stored.is_f32()) return stored.floats() + lines.begin * stored.f32_stride;
  attention_parts::decode_kv(shape, stored.data, lines.begin, lines.end - lines.begin, places_.piece);
  return places_.piece;
}

CAIRN_AMX void PackedSpan::pack_keys(const StoredTile& stored, StoredTile ahead, uint16_t* to) {
  const int32_t head_dim = tile_.keys.head_dim;
  settle_memory();
  for (int32_t first = 0; first < head_dim; first += kPieceLines, to += 2 * kTileElements) {
    const int32_t count = std::min(kPieceLines, head_dim - first);
    const float* lines = widen(stored, tile_.keys, {first, first + count}, ahead);
    pack_tile(lines, kBlockSize, {0, count}, to);
    pack_tile(lines + 16, kBlockSize, {0, count}, to + kTileElements);
  }
  settle_memory();
}

// Lines that no row of the tile sees may hold garbage, and are replaced by zeros.
CAIRN_AMX void PackedSpan::pack_values(const StoredTile& stored, LineRange seen, StoredTile ahead,
                                       uint16_t* to) {
  const int64_t stride = stored.is_f32() ? stored.f32_stride : tile_.values.lanes;
  const int64_t padded = attention_padded(tile_.values.head_dim);
  settle_memory();
  const float* lines = widen(stored, tile_.values, seen, ahead);
  for (int64_t d = 0; d < padded; d += 16, to += kTileElements) pack_tile(lines + d, stride, seen, to);
  settle_memory();
}

CAIRN_AMX void round_queries(const RowGroup& group, int32_t head_dim, uint16_t* queries) {
  settle_memory();
  for (int32_t d = 0; d < head_dim; d += 32) {
    for (int32_t r = 0; r < group.count; ++r) {
      round_row(group.ranges[r]->query + d, head_dim - d, queries + (d * kGroupRows + r * 32));
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

}  // namespace cairn

#endif  // __x86_64__
