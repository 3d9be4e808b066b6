// decode_kv on V16: lines of a stored tile widened to f32, the same bits as reference::decode_kv. Static code
// of one target, for kernels that read tiles themselves and for the table. Included once per target.
#if defined(CAIRN_KERNELS_DECODE_KV_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAIRN_KERNELS_DECODE_KV_INL_H_
#undef CAIRN_KERNELS_DECODE_KV_INL_H_
#else
#define CAIRN_KERNELS_DECODE_KV_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "kernels/codecs/kv_codec.h"
#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

using Bytes = hn::Rebind<uint8_t, F32>;
using SignedBytes = hn::Rebind<int8_t, F32>;

// ---- floats: sixteen stored numbers, widened ----

// Eight-bit floats become f16 first, up to sixteen in one vector: on AVX2 and NEON twice as many as floats.
using Words = hn::CappedTag<uint16_t, 16>;
using SignedWords = hn::RebindToSigned<Words>;
constexpr int kWordLanes = hn::MaxLanes(Words());

template <class Halves>  // hn::Vec<Words>; a template, so that only one branch is compiled
HWY_INLINE void widen_words(Halves halves, hn::Vec<F32>* to) {
  if constexpr (hn::MaxLanes(hn::DFromV<Halves>()) == kPartLanes) {
    to[0] = hn::PromoteTo(F32(), hn::BitCast(F16(), halves));
  } else {
    to[0] = hn::PromoteTo(F32(), hn::BitCast(F16(), hn::LowerHalf(halves)));
    to[1] = hn::PromoteTo(F32(), hn::BitCast(F16(), hn::UpperHalf(HalfWords(), halves)));
  }
}
HWY_INLINE V16 load_e5m2(const uint8_t* from) {
  V16 r;
  _Pragma("GCC unroll 2") for (int i = 0; i < 16; i += kWordLanes) {
    const auto bytes = hn::LoadU(hn::Rebind<uint8_t, Words>(), from + i);
    widen_words(hn::ShiftLeft<8>(hn::PromoteTo(Words(), bytes)), r.part + i / kPartLanes);
  }
  return r;
}
// Sign-extended and shifted, a byte has the bits of an f16, except that bit 14 is a copy of the sign.
HWY_INLINE V16 load_e4m3(const uint8_t* from) {
  V16 r;
  _Pragma("GCC unroll 2") for (int i = 0; i < 16; i += kWordLanes) {
    const auto bytes = hn::LoadU(hn::Rebind<int8_t, Words>(), reinterpret_cast<const int8_t*>(from) + i);
    const auto shifted = hn::BitCast(Words(), hn::ShiftLeft<7>(hn::PromoteTo(SignedWords(), bytes)));
    widen_words(hn::And(shifted, hn::Set(Words(), uint16_t{0xBFFF})), r.part + i / kPartLanes);
  }
  return r * broadcast(256.0F);
}

template <typename Stored, V16 (*kLoad)(const Stored*)>
HWY_INLINE void decode_floats(const std::byte* from, int64_t count, float* out) {
  const auto* stored = reinterpret_cast<const Stored*>(from);
  for (int64_t i = 0; i < count; i += 16) store(kLoad(stored + i), out + i);
}

// ---- integers: the codes of 32 lanes, as floats ----

struct V32 {
  V16 low;   // lanes 0-15
  V16 high;  // lanes 16-31
};

struct Int8Codes {
  static constexpr int kBits = 8;
  static HWY_INLINE V32 read(const std::byte* from) {
    const auto* bytes = reinterpret_cast<const int8_t*>(from);
    return {sixteen(bytes), sixteen(bytes + 16)};
  }
  static HWY_INLINE V16 sixteen(const int8_t* from) {
    V16 r;
    CAIRN_FOR_PARTS(p) {
      const auto bytes = hn::LoadU(SignedBytes(), from + p * kPartLanes);
      r.part[p] = hn::ConvertTo(F32(), hn::PromoteTo(I32(), bytes));
    }
    return r;
  }
};

struct Int4Codes {
  static constexpr int kBits = 4;
  static HWY_INLINE V32 read(const std::byte* from) {
    V32 r;
    CAIRN_FOR_PARTS(p) {
      const auto bytes = hn::LoadU(Bytes(), reinterpret_cast<const uint8_t*>(from) + p * kPartLanes);
      const auto pair = hn::PromoteTo(I32(), bytes);
      r.low.part[p] = hn::ConvertTo(F32(), hn::And(pair, hn::Set(I32(), 15)));
      r.high.part[p] = hn::ConvertTo(F32(), hn::ShiftRight<4>(pair));
    }
    return r;
  }
};

HWY_INLINE uint32_t word_at(const std::byte* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Lane i of part p is lane p * kPartLanes + i of sixteen.
HWY_INLINE hn::Vec<U32> lane_numbers(int part) {
  return hn::Iota(U32(), static_cast<uint32_t>(part * kPartLanes));
}
// Bits 2i and 2i + 1 of a word, as lane i of sixteen.
HWY_INLINE hn::Vec<U32> two_bits(uint32_t word, int part) {
  const auto lane = lane_numbers(part);
  return hn::And(hn::Shr(hn::Set(U32(), word), hn::Add(lane, lane)), hn::Set(U32(), 3U));
}
HWY_INLINE hn::Vec<F32> code_floats(hn::Vec<U32> codes) {
  return hn::ConvertTo(F32(), hn::BitCast(I32(), codes));
}

struct Int2Codes {
  static constexpr int kBits = 2;
  static HWY_INLINE V32 read(const std::byte* from) {
    const uint32_t low = word_at(from);
    const uint32_t high = word_at(from + 4);
    V32 r;
    CAIRN_FOR_PARTS(p) {
      r.low.part[p] = code_floats(two_bits(low, p));
      r.high.part[p] = code_floats(two_bits(high, p));
    }
    return r;
  }
};

struct Int3Codes {
  static constexpr int kBits = 3;
  static HWY_INLINE V32 read(const std::byte* from) {
    const uint32_t low = word_at(from);
    const uint32_t high = word_at(from + 4);
    const uint32_t third = word_at(from + 8);
    V32 r;
    CAIRN_FOR_PARTS(p) {  // bits i and 16 + i of the third word go to bit 2 of lane i
      const auto lane = lane_numbers(p);
      const auto word = hn::Set(U32(), third);
      const auto four = hn::Set(U32(), 4U);
      const auto low_third = hn::And(hn::Shr(hn::ShiftLeft<2>(word), lane), four);
      const auto high_third = hn::And(hn::Shr(word, hn::Add(lane, hn::Set(U32(), 14U))), four);
      r.low.part[p] = code_floats(hn::Or(two_bits(low, p), low_third));
      r.high.part[p] = code_floats(hn::Or(two_bits(high, p), high_third));
    }
    return r;
  }
};

template <class Codes>
HWY_INLINE V16 scaled(const V16& code, const V16& scale, const V16& minimum) {
  if constexpr (Codes::kBits == 8) return code * scale;
  return fma(code, scale, minimum);
}

// A tile of integer codes and the wanted lines of it.
struct CodeLines {
  const std::byte* codes;  // of line 0
  const uint16_t* scales;
  const uint16_t* minima;
  int64_t line_bytes;
  int64_t lanes;
  int64_t first;
  int64_t last;
};

// Up to sixteen stored numbers as floats; reads no further than `count`.
HWY_INLINE void widen_f16(const uint16_t* from, int64_t count, float* to) {
  if (count == 16) return store(load_f16(from), to);
  uint16_t padded[16] = {};
  std::memcpy(padded, from, static_cast<size_t>(count) * sizeof *from);
  store(load_f16(padded), to);
}

// scale[line][lane / 32]: sixteen scales are widened at a time, then each is broadcast from memory.
template <class Codes>
HWY_INLINE void decode_along(const CodeLines& lines, float* out) {
  alignas(64) float scale[16];
  alignas(64) float minimum[16] = {};
  const int64_t groups = lines.lanes / kKvGroup;
  const std::byte* codes = lines.codes + lines.first * lines.line_bytes;
  for (int64_t i = lines.first * groups; i < lines.last * groups; i += 16) {
    const int64_t count = std::min<int64_t>(16, lines.last * groups - i);
    widen_f16(lines.scales + i, count, scale);
    if (Codes::kBits != 8) widen_f16(lines.minima + i, count, minimum);
    for (int64_t j = 0; j < count; ++j, codes += 4 * Codes::kBits, out += 32) {
      const V32 code = Codes::read(codes);
      store(scaled<Codes>(code.low, broadcast(scale[j]), broadcast(minimum[j])), out);
      store(scaled<Codes>(code.high, broadcast(scale[j]), broadcast(minimum[j])), out + 16);
    }
  }
}

// scale[line / 32][lane]: 32 lanes of up to 32 lines at a time, their scales in registers.
template <class Codes>
HWY_INLINE void decode_across(const CodeLines& lines, float* out) {
  for (int64_t line = lines.first; line < lines.last;) {
    const int64_t group = line / kKvGroup;
    const int64_t end = std::min(lines.last, (group + 1) * kKvGroup);
    for (int64_t lane = 0; lane < lines.lanes; lane += kKvGroup) {
      const uint16_t* scales = lines.scales + group * lines.lanes + lane;
      const uint16_t* minima = lines.minima + group * lines.lanes + lane;
      const V16 scale_low = load_f16(scales);
      const V16 scale_high = load_f16(scales + 16);
      const V16 minimum_low = Codes::kBits == 8 ? scale_low : load_f16(minima);
      const V16 minimum_high = Codes::kBits == 8 ? scale_high : load_f16(minima + 16);
      const std::byte* codes = lines.codes + line * lines.line_bytes + lane / kKvGroup * 4 * Codes::kBits;
      float* to = out + (line - lines.first) * lines.lanes + lane;
      for (int64_t i = line; i < end; ++i, codes += lines.line_bytes, to += lines.lanes) {
        const V32 code = Codes::read(codes);
        store(scaled<Codes>(code.low, scale_low, minimum_low), to);
        store(scaled<Codes>(code.high, scale_high, minimum_high), to + 16);
      }
    }
    line = end;
  }
}

template <class Codes>
HWY_INLINE void decode_codes(const KvTileShape& shape, const std::byte* tile, int64_t first, int64_t count,
                             float* out) {
  const CodeLines lines{.codes = tile,
                        .scales = reinterpret_cast<const uint16_t*>(tile + shape.scales_offset),
                        .minima = reinterpret_cast<const uint16_t*>(tile + shape.minima_offset),
                        .line_bytes = shape.line_bytes,
                        .lanes = shape.lanes,
                        .first = first,
                        .last = first + count};
  shape.scales_along ? decode_along<Codes>(lines, out) : decode_across<Codes>(lines, out);
}

inline void decode_kv(const KvTileShape& shape, const std::byte* tile, int32_t first_line, int32_t line_count,
                      float* out) {
  const std::byte* floats = tile + first_line * shape.line_bytes;
  const int64_t count = int64_t{line_count} * shape.lanes;
  switch (shape.codec.format) {
    case KvFormat::kF32: return decode_floats<float, load>(floats, count, out);
    case KvFormat::kF16: return decode_floats<uint16_t, load_f16>(floats, count, out);
    case KvFormat::kBF16: return decode_floats<uint16_t, load_bf16>(floats, count, out);
    case KvFormat::kFp8E4M3: return decode_floats<uint8_t, load_e4m3>(floats, count, out);
    case KvFormat::kFp8E5M2: return decode_floats<uint8_t, load_e5m2>(floats, count, out);
    case KvFormat::kInt8: return decode_codes<Int8Codes>(shape, tile, first_line, line_count, out);
    case KvFormat::kInt4: return decode_codes<Int4Codes>(shape, tile, first_line, line_count, out);
    case KvFormat::kInt3: return decode_codes<Int3Codes>(shape, tile, first_line, line_count, out);
    case KvFormat::kInt2: return decode_codes<Int2Codes>(shape, tile, first_line, line_count, out);
  }
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // include guard, per target
