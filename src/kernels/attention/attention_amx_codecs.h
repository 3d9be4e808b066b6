// How each codec's stored lines become f32 numbers in registers, thirty-two lanes at a time: the same numbers as
// decode_kv gives (kv_codec.h shows how they lie). Only for files that compile functions with CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "kernels/amx.h"
#include "kernels/attention/attention_amx_decode.h"
#include "kernels/avx512.h"

namespace cairn::amx_kv {

// Of a line, or of what its lanes share.
struct Lanes32 {
  __m512 low;   // lanes 0-15
  __m512 high;  // lanes 16-31
};

CAIRN_AMX_INLINE __m128i bytes_at(const std::byte* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
CAIRN_AMX_INLINE __m256i words_at(const void* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// Sixteen pairs of bf16: the upper halves of two lines.
struct Cut {
  static CAIRN_AMX_INLINE __m512i pairs(const __m512& even, const __m512& odd) {
    return cut_pairs(even, odd);
  }
};

// ---- floats: sixteen stored numbers ----

struct F32Numbers : Cut {
  static constexpr int64_t kBytes = 4;
  static CAIRN_AMX_INLINE __m512 sixteen(const std::byte* at) { return _mm512_loadu_ps(at); }
};

struct F16Numbers : Cut {
  static constexpr int64_t kBytes = 2;
  static CAIRN_AMX_INLINE __m512 sixteen(const std::byte* at) { return _mm512_cvtph_ps(words_at(at)); }
};

// The numbers themselves, in the lanes' lower halves.
struct Bf16Numbers {
  static constexpr int64_t kBytes = 2;
  static CAIRN_AMX_INLINE __m512 sixteen(const std::byte* at) {
    return _mm512_castsi512_ps(_mm512_cvtepu16_epi32(words_at(at)));
  }
  static CAIRN_AMX_INLINE __m512i pairs(const __m512& even, const __m512& odd) {
    return _mm512_or_si512(_mm512_castps_si512(even), _mm512_slli_epi32(_mm512_castps_si512(odd), 16));
  }
};

// Sign-extended and shifted, a byte has the bits of an f16, except that bit 14 is a copy of the sign.
struct E4M3Numbers : Cut {
  static constexpr int64_t kBytes = 1;
  static CAIRN_AMX_INLINE __m512 sixteen(const std::byte* at) {
    const __m256i shifted = _mm256_slli_epi16(_mm256_cvtepi8_epi16(bytes_at(at)), 7);
    const __m256i halves = _mm256_and_si256(shifted, _mm256_set1_epi16(static_cast<int16_t>(0xBFFF)));
    return _mm512_mul_ps(_mm512_cvtph_ps(halves), _mm512_set1_ps(256.0F));
  }
};

struct E5M2Numbers : Cut {
  static constexpr int64_t kBytes = 1;
  static CAIRN_AMX_INLINE __m512 sixteen(const std::byte* at) {
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes_at(at)), 8));
  }
};

// ---- integers: 32 codes, each lane's scale and minimum its own (across), or one for all (along) ----

struct Int8Codes : Cut {
  static constexpr int64_t kBits = 8;
  static constexpr bool kHasMinimum = false;
  static CAIRN_AMX_INLINE __m512 sixteen(const std::byte* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes_at(at)));
  }
  static CAIRN_AMX_INLINE Lanes32 across(const std::byte* at, const Lanes32& scale, const Lanes32&) {
    return {_mm512_mul_ps(sixteen(at), scale.low), _mm512_mul_ps(sixteen(at + 16), scale.high)};
  }
  static CAIRN_AMX_INLINE Lanes32 along(const std::byte* at, float scale, float) {
    const __m512 each = _mm512_set1_ps(scale);
    return {_mm512_mul_ps(sixteen(at), each), _mm512_mul_ps(sixteen(at + 16), each)};
  }
};

struct Codes32 {
  __m512i low, high;
};

// Codes of few bits look their numbers up in a register of sixteen, of which the lowest four bits of each lane choose
// one: so fewer bits are left with their neighbours beside them, and the register repeats itself.
struct Int4Codes {
  static constexpr int64_t kBits = 4;
  static CAIRN_AMX_INLINE Codes32 read(const std::byte* at) {
    const __m512i pair = _mm512_cvtepu8_epi32(bytes_at(at));
    return {pair, _mm512_srli_epi32(pair, 4)};
  }
};

CAIRN_AMX_INLINE __m512i word_in_all_lanes(const std::byte* at) {
  int32_t word;
  std::memcpy(&word, at, sizeof word);
  return _mm512_set1_epi32(word);
}

alignas(64) inline constexpr int32_t kTwiceTheLane[16] = {0,  2,  4,  6,  8,  10, 12, 14,
                                                          16, 18, 20, 22, 24, 26, 28, 30};

struct Int2Codes {
  static constexpr int64_t kBits = 2;
  static CAIRN_AMX_INLINE Codes32 read(const std::byte* at) {
    const __m512i by = _mm512_load_si512(kTwiceTheLane);
    return {_mm512_srlv_epi32(word_in_all_lanes(at), by), _mm512_srlv_epi32(word_in_all_lanes(at + 4), by)};
  }
};

// Bits i and 16 + i of the third word are bit 2 of lane i.
struct Int3Codes {
  static constexpr int64_t kBits = 3;
  static CAIRN_AMX_INLINE Codes32 read(const std::byte* at) {
    alignas(64) static constexpr int32_t kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    alignas(64) static constexpr int32_t kLaneAnd14[16] = {14, 15, 16, 17, 18, 19, 20, 21,
                                                           22, 23, 24, 25, 26, 27, 28, 29};
    constexpr int kChoose = 0xCA;  // a ? b : c
    const __m512i two_bits = _mm512_set1_epi32(3);
    const Codes32 lower = Int2Codes::read(at);
    const __m512i third = word_in_all_lanes(at + 8);
    const __m512i low = _mm512_srlv_epi32(_mm512_slli_epi32(third, 2), _mm512_load_si512(kLane));
    const __m512i high = _mm512_srlv_epi32(third, _mm512_load_si512(kLaneAnd14));
    return {_mm512_ternarylogic_epi32(two_bits, lower.low, low, kChoose),
            _mm512_ternarylogic_epi32(two_bits, lower.high, high, kChoose)};
  }
};

template <class Codes>
struct FewBits : Cut {
  static constexpr int64_t kBits = Codes::kBits;
  static constexpr bool kHasMinimum = true;
  static CAIRN_AMX_INLINE __m512 numbers() {
    alignas(64) static constexpr auto kNumbers = [] {
      std::array<float, 16> all{};
      for (int i = 0; i < 16; ++i) all[static_cast<size_t>(i)] = static_cast<float>(i % (1 << kBits));
      return all;
    }();
    return _mm512_load_ps(kNumbers.data());
  }
  static CAIRN_AMX_INLINE Lanes32 across(const std::byte* at, const Lanes32& scale, const Lanes32& minimum) {
    const Codes32 codes = Codes::read(at);
    const __m512 all = numbers();
    return {_mm512_fmadd_ps(_mm512_permutexvar_ps(codes.low, all), scale.low, minimum.low),
            _mm512_fmadd_ps(_mm512_permutexvar_ps(codes.high, all), scale.high, minimum.high)};
  }
  static CAIRN_AMX_INLINE Lanes32 along(const std::byte* at, float scale, float minimum) {
    const Codes32 codes = Codes::read(at);
    const __m512 all = _mm512_fmadd_ps(numbers(), _mm512_set1_ps(scale), _mm512_set1_ps(minimum));
    return {_mm512_permutexvar_ps(codes.low, all), _mm512_permutexvar_ps(codes.high, all)};
  }
};

// ---- the lines of one square of a tile ----

template <class Numbers>
class FloatLines {
 public:
  using Stored = Numbers;
  CAIRN_AMX_INLINE explicit FloatLines(const KvSquares& squares)
      : tile_(squares.stored.data),
        line_bytes_(squares.stored.is_f32() ? squares.stored.f32_stride * 4 : squares.shape->line_bytes) {}

  CAIRN_AMX_INLINE void go_to(int32_t line, int32_t lane) {
    at_ = tile_ + line * line_bytes_ + lane * Numbers::kBytes;
    high_ = (lane + 16) * Numbers::kBytes < line_bytes_ ? 16 * Numbers::kBytes : 0;
  }
  [[nodiscard]] CAIRN_AMX_INLINE Lanes32 line(int32_t i) const {
    const std::byte* const from = at_ + i * line_bytes_;
    return {Numbers::sixteen(from), Numbers::sixteen(from + high_)};
  }

 private:
  const std::byte* tile_;
  int64_t line_bytes_;
  const std::byte* at_ = nullptr;  // the square's first line
  int64_t high_ = 0;               // to lanes 16-31; 0 where only sixteen are stored
};

CAIRN_AMX_INLINE const uint16_t* halves_at(const std::byte* at) {
  return reinterpret_cast<const uint16_t*>(at);
}

// scale[line / 32][lane]
template <class Codes>
class AcrossLines {
 public:
  using Stored = Codes;
  CAIRN_AMX_INLINE explicit AcrossLines(const KvSquares& squares)
      : tile_(squares.stored.data),
        scales_(halves_at(tile_ + squares.shape->scales_offset)),
        minima_(halves_at(tile_ + squares.shape->minima_offset)),
        lanes_(squares.shape->lanes),
        line_bytes_(squares.shape->line_bytes) {}

  CAIRN_AMX_INLINE void go_to(int32_t line, int32_t lane) {
    const int64_t place = line / kSquare * lanes_ + lane;
    at_ = tile_ + line * line_bytes_ + lane / kSquare * 4 * Codes::kBits;
    scale_ = widen(scales_ + place);
    minimum_ = Codes::kHasMinimum ? widen(minima_ + place) : scale_;
  }
  [[nodiscard]] CAIRN_AMX_INLINE Lanes32 line(int32_t i) const {
    return Codes::across(at_ + i * line_bytes_, scale_, minimum_);
  }

 private:
  static CAIRN_AMX_INLINE Lanes32 widen(const uint16_t* from) {
    return {_mm512_cvtph_ps(words_at(from)), _mm512_cvtph_ps(words_at(from + 16))};
  }

  const std::byte* tile_;
  const uint16_t* scales_;
  const uint16_t* minima_;
  int64_t lanes_;
  int64_t line_bytes_;
  const std::byte* at_ = nullptr;  // the square's first line
  Lanes32 scale_, minimum_;
};

// scale[line][lane / 32]: all are widened at once, then each is broadcast from memory.
template <class Codes>
class AlongLines {
 public:
  using Stored = Codes;
  CAIRN_AMX_INLINE explicit AlongLines(const KvSquares& squares)
      : tile_(squares.stored.data),
        line_bytes_(squares.shape->line_bytes),
        groups_(squares.shape->lanes / kSquare),
        scales_(squares.scales),
        minima_(squares.scales) {
    const KvTileShape& shape = *squares.shape;
    widen(halves_at(tile_ + shape.scales_offset), shape.scale_count, squares.scales);
    if (!Codes::kHasMinimum) return;
    float* const minima = squares.scales + (shape.scale_count + 15) / 16 * 16;
    widen(halves_at(tile_ + shape.minima_offset), shape.scale_count, minima);
    minima_ = minima;
  }

  CAIRN_AMX_INLINE void go_to(int32_t line, int32_t lane) {
    at_ = tile_ + line * line_bytes_ + lane / kSquare * 4 * Codes::kBits;
    place_ = line * groups_ + lane / kSquare;
  }
  [[nodiscard]] CAIRN_AMX_INLINE Lanes32 line(int32_t i) const {
    const int64_t place = place_ + i * groups_;
    return Codes::along(at_ + i * line_bytes_, scales_[place], minima_[place]);
  }

 private:
  // Reads no further than `count`.
  static CAIRN_AMX_INLINE void widen(const uint16_t* from, int64_t count, float* to) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) _mm512_store_ps(to + i, _mm512_cvtph_ps(words_at(from + i)));
    if (i == count) return;
    uint16_t last[16] = {};
    std::memcpy(last, from + i, static_cast<size_t>(count - i) * sizeof *last);
    _mm512_store_ps(to + i, _mm512_cvtph_ps(words_at(last)));
  }

  const std::byte* tile_;
  int64_t line_bytes_;
  int64_t groups_;  // of a line's lanes
  const float* scales_;
  const float* minima_;
  const std::byte* at_ = nullptr;  // the square's first line
  int64_t place_ = 0;              // of its scale
};

}  // namespace cairn::amx_kv

#endif  // __x86_64__
