#include "kernels/attention/attention_amx_decode.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "kernels/amx.h"
#include "kernels/attention/attention_amx_codecs.h"

namespace cairn {
namespace amx_kv {
namespace {

// A tile that is read later, prefetched evenly over `pair_count` pairs of lines: all at once it would hold up the loads
// that follow. Into second-level cache: into the first, it competes for the few buffers that loads need.
class Ahead {
 public:
  Ahead(const StoredTile& tile, int64_t pair_count)
      : at_(tile.data), due_(tile.data), step_((tile.bytes + pair_count - 1) / pair_count) {}

  CAIRN_AMX_INLINE void ask() {
    due_ += step_;
    for (; at_ < due_; at_ += 64) _mm_prefetch(reinterpret_cast<const char*>(at_), _MM_HINT_T1);
  }

 private:
  const std::byte* at_;   // the next line of the cache
  const std::byte* due_;  // what has been asked for by now
  int64_t step_;
};

template <class Stored>
CAIRN_AMX_INLINE void store_pairs(const Lanes32& even, const Lanes32& odd, uint16_t* to) {
  _mm512_store_si512(to, Stored::pairs(even.low, odd.low));
  _mm512_store_si512(to + kTileElements, Stored::pairs(even.high, odd.high));
}

template <class Lines>
CAIRN_AMX_INLINE void decode_whole(const Lines& lines, Ahead& ahead, uint16_t* to) {
  for (int32_t i = 0; i < kSquare; i += 2) {
    ahead.ask();
    store_pairs<typename Lines::Stored>(lines.line(i), lines.line(i + 1), to + i * 16);
  }
}

template <class Lines>
CAIRN_AMX_INLINE Lanes32 line_or_zeros(const Lines& lines, LineRange there, int32_t i) {
  if (i >= there.begin && i < there.end) return lines.line(i);
  return {_mm512_setzero_ps(), _mm512_setzero_ps()};
}

template <class Lines>
CAIRN_AMX_INLINE void decode_part(const Lines& lines, LineRange there, Ahead& ahead, uint16_t* to) {
  for (int32_t i = 0; i < kSquare; i += 2) {
    ahead.ask();
    store_pairs<typename Lines::Stored>(line_or_zeros(lines, there, i), line_or_zeros(lines, there, i + 1),
                                        to + i * 16);
  }
}

template <class Lines>
CAIRN_AMX void decode(const KvSquares& squares, uint16_t* to) {
  const bool is_keys = squares.shape->side == KvSide::kKeys;
  Lines lines(squares);
  Ahead ahead(squares.ahead, int64_t{squares.last - squares.first} * (kSquare / 2));
  for (int32_t s = squares.first; s < squares.last; ++s, to += 2 * kTileElements) {
    const LineRange there =
        is_keys ? LineRange{0, std::min(kSquare, squares.shape->lines - s * kSquare)} : squares.seen;
    lines.go_to(is_keys ? s * kSquare : 0, is_keys ? 0 : s * kSquare);
    if (there.begin == 0 && there.end == kSquare) {
      decode_whole(lines, ahead, to);
    } else {
      decode_part(lines, there, ahead, to);
    }
  }
}

template <class Codes>
void decode_codes(const KvSquares& squares, uint16_t* to) {
  squares.shape->scales_along ? decode<AlongLines<Codes>>(squares, to)
                              : decode<AcrossLines<Codes>>(squares, to);
}

}  // namespace
}  // namespace amx_kv

void decode_pairs(const KvSquares& squares, uint16_t* to) {
  using namespace amx_kv;
  if (squares.stored.is_f32()) return decode<FloatLines<F32Numbers>>(squares, to);
  switch (squares.shape->codec.format) {
    case KvFormat::kF32: return decode<FloatLines<F32Numbers>>(squares, to);
    case KvFormat::kF16: return decode<FloatLines<F16Numbers>>(squares, to);
    case KvFormat::kBF16: return decode<FloatLines<Bf16Numbers>>(squares, to);
    case KvFormat::kFp8E4M3: return decode<FloatLines<E4M3Numbers>>(squares, to);
    case KvFormat::kFp8E5M2: return decode<FloatLines<E5M2Numbers>>(squares, to);
    case KvFormat::kInt8: return decode_codes<Int8Codes>(squares, to);
    case KvFormat::kInt4: return decode_codes<FewBits<Int4Codes>>(squares, to);
    case KvFormat::kInt3: return decode_codes<FewBits<Int3Codes>>(squares, to);
    case KvFormat::kInt2: return decode_codes<FewBits<Int2Codes>>(squares, to);
  }
}

}  // namespace cairn

#endif  // __x86_64__
