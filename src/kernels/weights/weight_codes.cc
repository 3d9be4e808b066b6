#include "kernels/weights/weight_codes.h"

#include <bit>
#include <cstring>

#include "kernels/weights/code_types.h"
#include "kernels/weights/packed_matrix.h"
#include "kernels/weights/quad_grid.h"

namespace cairn {
namespace {

// Where the bits of element i lie: `shift` bits up in byte `byte`.
struct Place {
  int byte;
  int shift;
};
constexpr Place whole_byte(int i) { return {i, 0}; }
// Of each 32 elements: nibbles of 16 bytes, the low ones first. Bits in their order.
constexpr Place nibble_of_32(int i) { return {i / 32 * 16 + i % 16, i % 32 / 16 * 4}; }
constexpr Place bit_of_word(int i) { return {i / 8, i % 8}; }
// Of 256: of each 64 (128), the low nibbles of 32 (64) bytes and then their high ones; of each 128, the four
// pairs of 32 bytes, lowest first; the eight bits of 32 bytes, lowest first.
constexpr Place nibble_of_64(int i) { return {i / 64 * 32 + i % 32, i % 64 / 32 * 4}; }
constexpr Place nibble_of_128(int i) { return {i / 128 * 64 + i % 64, i % 128 / 64 * 4}; }
constexpr Place pair_of_128(int i) { return {i / 128 * 32 + i % 32, i % 128 / 32 * 2}; }
constexpr Place bit_of_256(int i) { return {i % 32, i / 32}; }

// Some bits of every code, from byte `at` of the block on.
struct Plane {
  int at = 0;
  int bits = 0;
  Place (*place)(int) = nullptr;
};
struct Layout {
  int d;    // the byte where it begins
  int min;  // the same, where the type has a minimum
  Plane low;
  Plane high;          // above the bits of `low`; has no bits in most types
  int sub_scales = 0;  // types with blocks of 256
};

constexpr Layout layout_of(TensorType type) {
  switch (type) {
    case TensorType::kQ8_0: return {0, 0, {2, 8, whole_byte}, {}};
    case TensorType::kQ4_0: return {0, 0, {2, 4, nibble_of_32}, {}};
    case TensorType::kQ4_1: return {0, 2, {4, 4, nibble_of_32}, {}};
    case TensorType::kQ5_0: return {0, 0, {6, 4, nibble_of_32}, {2, 1, bit_of_word}};
    case TensorType::kQ5_1: return {0, 2, {8, 4, nibble_of_32}, {4, 1, bit_of_word}};
    case TensorType::kQ2_K: return {80, 82, {16, 2, pair_of_128}, {}, 0};
    case TensorType::kQ3_K: return {108, 0, {32, 2, pair_of_128}, {0, 1, bit_of_256}, 96};
    case TensorType::kQ4_K: return {0, 2, {16, 4, nibble_of_64}, {}, 4};
    case TensorType::kQ5_K: return {0, 2, {48, 4, nibble_of_64}, {16, 1, bit_of_256}, 4};
    case TensorType::kQ6_K: return {208, 0, {0, 4, nibble_of_128}, {128, 2, pair_of_128}, 192};
    case TensorType::kIQ4_NL: return {0, 0, {2, 4, nibble_of_32}, {}};
    case TensorType::kIQ4_XS: return {0, 0, {8, 4, nibble_of_32}, {}, 2};
    case TensorType::kMXFP4: return {0, 0, {1, 4, nibble_of_32}, {}};
    // Their codes are taken by way of a grid (take_grid_codes).
    case TensorType::kIQ3_S: return {0, 0, {}, {}, 106};
    case TensorType::kIQ3_XXS: return {0, 0, {}, {}, 66};
    default: return {};
  }
}

// How many codes lie in bytes side by side, at the same shift, again and again: loops over them are short and plain, so
// that compilers make vectors of them.
constexpr int run_of(const Plane& plane, int count) {
  const auto is_run = [&](int length) {
    for (int i = 0; i < count; ++i) {
      const Place first = plane.place(i / length * length);
      const Place at = plane.place(i);
      if (at.byte != first.byte + i % length || at.shift != first.shift) return false;
    }
    return true;
  };
  int length = count;
  while (!is_run(length)) length /= 2;
  return length;
}

// Gives f(i, bits) for each of the first `count` codes.
template <TensorType kType, Plane Layout::* kWhich, int kCount, typename Function>
void for_bits(const uint8_t* block, const Function& f) {
  constexpr Plane kPlane = layout_of(kType).*kWhich;
  constexpr int kRun = run_of(kPlane, kCount);
  constexpr uint32_t kMask = (1U << kPlane.bits) - 1U;
  for (int first = 0; first < kCount; first += kRun) {
    const Place at = kPlane.place(first);
    const uint8_t* const bytes = block + kPlane.at + at.byte;
    for (int i = 0; i < kRun; ++i) f(first + i, bytes[i] >> at.shift & kMask);
  }
}

void add_bits(uint8_t* to, uint32_t bits) { *to = static_cast<uint8_t>(*to | bits); }

void put_bits(uint8_t* block, const Plane& plane, int i, uint32_t bits) {
  const Place at = plane.place(i);
  add_bits(block + plane.at + at.byte, (bits & ((1U << plane.bits) - 1U)) << at.shift);
}

// q8_0 stores code - 128 as a signed byte: the code with its uppermost bit flipped.
template <TensorType kType>
constexpr uint32_t kTurned = kType == TensorType::kQ8_0 ? 0x80U : 0U;

// Grid types: the low eight bits of the index of each four elements from byte 2 on; iq3_s: the ninth bits in bytes
// 66..73 and a sign bit of each element in bytes 74..105; iq3_xxs: from byte 66 on, a word of each 32 elements, four times
// seven sign bits of eight elements, whose eighth makes their number even, and four bits of scale.
constexpr int kGridIndices = 2, kNinthBits = 66, kIq3Signs = 74, kIq3Words = 66;

uint32_t word_of(const uint8_t* b, int part) {
  uint32_t word;
  std::memcpy(&word, b + kIq3Words + 4 * part, sizeof word);
  return word;
}

// Of elements 8 i to 8 i + 7.
uint32_t sign_bits(TensorType type, const uint8_t* b, int i) {
  if (type == TensorType::kIQ3_S) return b[kIq3Signs + i];
  const uint32_t seven = word_of(b, i / 4) >> (i % 4 * 7) & 127U;
  return seven | static_cast<uint32_t>(std::popcount(seven) % 2) << 7;
}

void take_grid_codes(TensorType type, const uint8_t* b, uint8_t* codes) {
  for (int q = 0; q < 64; ++q) {
    uint32_t index = b[kGridIndices + q];
    if (type == TensorType::kIQ3_S) index |= (b[kNinthBits + q / 8] >> (q % 8) & 1U) << 8;
    const MagnitudeQuad quad = grid_quad(type, index);
    const uint32_t signs = sign_bits(type, b, q / 2) >> (q % 2 * 4);
    for (int i = 0; i < 4; ++i) codes[4 * q + i] = static_cast<uint8_t>(quad[i] | (signs >> i & 1U) << 3);
  }
}

void put_grid_codes(TensorType type, const uint8_t* codes, uint8_t* b) {
  for (int q = 0; q < 64; ++q) {
    MagnitudeQuad quad;
    for (int i = 0; i < 4; ++i) quad[i] = codes[4 * q + i] & 7U;
    const uint32_t index = nearest_grid_index(type, quad);
    b[kGridIndices + q] = static_cast<uint8_t>(index);
    if (type == TensorType::kIQ3_S) add_bits(b + kNinthBits + q / 8, index >> 8 << (q % 8));
  }
  for (int i = 0; i < 256; ++i) {
    const uint32_t sign = codes[i] >> 3;
    if (type == TensorType::kIQ3_S) {
      add_bits(b + kIq3Signs + i / 8, sign << (i % 8));
    } else if (i % 8 < 7) {
      const int bit = i % 32 / 8 * 7 + i % 8;
      add_bits(b + kIq3Words + i / 32 * 4 + bit / 8, sign << (bit % 8));
    }
  }
}

template <TensorType kType>
void take_codes(const uint8_t* b, uint8_t* codes) {
  constexpr Layout kLayout = layout_of(kType);
  if constexpr (kLayout.low.bits == 0) {
    take_grid_codes(kType, b, codes);
  } else {
    constexpr int kCount = static_cast<int>(unit_columns(code_format(kType)));
    for_bits<kType, &Layout::low, kCount>(
        b, [&](int i, uint32_t bits) { codes[i] = static_cast<uint8_t>(bits ^ kTurned<kType>); });
    if constexpr (kLayout.high.bits > 0) {
      for_bits<kType, &Layout::high, kCount>(
          b, [&](int i, uint32_t bits) { add_bits(codes + i, bits << kLayout.low.bits); });
    }
  }
}

template <TensorType kType>
void put_codes(const uint8_t* codes, uint8_t* b) {
  constexpr Layout kLayout = layout_of(kType);
  if constexpr (kLayout.low.bits == 0) return put_grid_codes(kType, codes, b);
  for (int i = 0; i < unit_columns(code_format(kType)); ++i) {
    const uint32_t code = codes[i] ^ kTurned<kType>;
    put_bits(b, kLayout.low, i, code);
    if constexpr (kLayout.high.bits > 0) put_bits(b, kLayout.high, i, code >> kLayout.low.bits);
  }
}

// q2_k: sixteen bytes, the scale in the low nibble and the minimum in the high one.
void take_nibble_scales(const uint8_t* b, WeightCodes& to) {
  for (int j = 0; j < 16; ++j) {
    to.sub_scales[j] = static_cast<int8_t>(b[j] & 15U);
    to.sub_mins[j] = static_cast<uint8_t>(b[j] >> 4);
  }
}

void put_nibble_scales(const WeightCodes& from, uint8_t* b) {
  for (int j = 0; j < 16; ++j) b[j] = static_cast<uint8_t>(from.sub_scales[j] | from.sub_mins[j] << 4);
}

// q3_k: sixteen scales of six bits, less 32: low nibbles in bytes 0..7 (eight scales low, eight high), upper
// pairs in bytes 8..11 (scale j in byte 8 + j % 4).
void take_signed_scales(const uint8_t* b, WeightCodes& to) {
  for (int j = 0; j < 16; ++j) {
    const uint32_t low = b[j % 8] >> (j / 8 * 4) & 15U;
    const uint32_t high = b[8 + j % 4] >> (j / 4 * 2) & 3U;
    to.sub_scales[j] = static_cast<int8_t>(static_cast<int>(low | high << 4) - 32);
  }
}

void put_signed_scales(const WeightCodes& from, uint8_t* b) {
  for (int j = 0; j < 16; ++j) {
    const auto six = static_cast<uint32_t>(from.sub_scales[j] + 32);
    add_bits(b + j % 8, (six & 15U) << (j / 8 * 4));
    add_bits(b + 8 + j % 4, six >> 4 << (j / 4 * 2));
  }
}

// q4_k, q5_k: eight scales and minima of six bits. The first four of each are the low bits of bytes 0..3 and
// 4..7; the others have their low nibbles in bytes 8..11 and their upper pairs on top of bytes 0..3 and 4..7.
void take_six_bit_scales(const uint8_t* b, WeightCodes& to) {
  for (int j = 0; j < 4; ++j) {
    to.sub_scales[j] = static_cast<int8_t>(b[j] & 63U);
    to.sub_mins[j] = b[j + 4] & 63U;
    to.sub_scales[j + 4] = static_cast<int8_t>((b[j + 8] & 15U) | b[j] >> 6 << 4);
    to.sub_mins[j + 4] = static_cast<uint8_t>(b[j + 8] >> 4 | b[j + 4] >> 6 << 4);
  }
}

void put_six_bit_scales(const WeightCodes& from, uint8_t* b) {
  for (int j = 0; j < 4; ++j) {
    const auto scale = static_cast<uint8_t>(from.sub_scales[j + 4]);
    const uint8_t min = from.sub_mins[j + 4];
    b[j] = static_cast<uint8_t>(from.sub_scales[j] | scale >> 4 << 6);
    b[j + 4] = static_cast<uint8_t>(from.sub_mins[j] | min >> 4 << 6);
    b[j + 8] = static_cast<uint8_t>((scale & 15U) | min << 4);
  }
}

// iq4_xs: eight scales of six bits, less 32: upper pairs in a word of two bytes, low nibbles in the four bytes behind.
void take_split_scales(const uint8_t* b, WeightCodes& to) {
  for (int j = 0; j < 8; ++j) {
    const uint32_t low = b[2 + j / 2] >> (j % 2 * 4) & 15U;
    const uint32_t high = b[j / 4] >> (j % 4 * 2) & 3U;
    to.sub_scales[j] = static_cast<int8_t>(static_cast<int>(low | high << 4) - 32);
  }
}

void put_split_scales(const WeightCodes& from, uint8_t* b) {
  for (int j = 0; j < 8; ++j) {
    const auto six = static_cast<uint32_t>(from.sub_scales[j] + 32);
    add_bits(b + 2 + j / 2, (six & 15U) << (j % 2 * 4));
    add_bits(b + j / 4, six >> 4 << (j % 4 * 2));
  }
}

// iq3_s, iq3_xxs: eight odd scales 2 n + 1, of which n is stored in four bits: in a nibble; on top of a word.
void take_odd_scales(TensorType type, const uint8_t* b, WeightCodes& to) {
  for (int j = 0; j < 8; ++j) {
    const uint32_t n =
        type == TensorType::kIQ3_S ? b[j / 2] >> (j % 2 * 4) & 15U : uint32_t{b[4 * j + 3]} >> 4;
    to.sub_scales[j] = static_cast<int8_t>(2 * n + 1);
  }
}

void put_odd_scales(TensorType type, const WeightCodes& from, uint8_t* b) {
  for (int j = 0; j < 8; ++j) {
    const auto n = static_cast<uint32_t>(from.sub_scales[j]) / 2;
    if (type == TensorType::kIQ3_S) {
      add_bits(b + j / 2, n << (j % 2 * 4));
    } else {
      add_bits(b + 4 * j + 3, n << 4);
    }
  }
}

void take_sub_scales(TensorType type, const uint8_t* b, WeightCodes& to) {
  switch (type) {
    case TensorType::kQ2_K: return take_nibble_scales(b, to);
    case TensorType::kQ3_K: return take_signed_scales(b, to);
    case TensorType::kQ6_K: std::memcpy(to.sub_scales, b, sizeof to.sub_scales); return;
    case TensorType::kIQ4_XS: return take_split_scales(b, to);
    case TensorType::kIQ3_S:
    case TensorType::kIQ3_XXS: return take_odd_scales(type, b, to);
    default: return take_six_bit_scales(b, to);
  }
}

void put_sub_scales(TensorType type, const WeightCodes& from, uint8_t* b) {
  switch (type) {
    case TensorType::kQ2_K: return put_nibble_scales(from, b);
    case TensorType::kQ3_K: return put_signed_scales(from, b);
    case TensorType::kQ6_K: std::memcpy(b, from.sub_scales, sizeof from.sub_scales); return;
    case TensorType::kIQ4_XS: return put_split_scales(from, b);
    case TensorType::kIQ3_S:
    case TensorType::kIQ3_XXS: return put_odd_scales(type, from, b);
    default: return put_six_bit_scales(from, b);
  }
}

}  // namespace

void take_apart(TensorType type, const std::byte* block, WeightCodes& to) {
  const auto* b = reinterpret_cast<const uint8_t*>(block);
  const CodeFormat format = code_format(type);
  const Layout layout = layout_of(type);
  visit_code_type(type, [&](auto known) { take_codes<decltype(known)::value>(b, to.codes); });
  if (format.is_super) take_sub_scales(type, b + layout.sub_scales, to);
  to.d = 0;
  std::memcpy(&to.d, b + layout.d, scale_bytes(format));
  if (format.has_min) std::memcpy(&to.min, b + layout.min, sizeof to.min);
}

void put_together(TensorType type, const WeightCodes& from, std::byte* block) {
  auto* b = reinterpret_cast<uint8_t*>(block);
  const CodeFormat format = code_format(type);
  const Layout layout = layout_of(type);
  std::memset(b, 0, static_cast<size_t>(tensor_type_info(type).bytes));
  visit_code_type(type, [&](auto known) { put_codes<decltype(known)::value>(from.codes, b); });
  if (format.is_super) put_sub_scales(type, from, b + layout.sub_scales);
  std::memcpy(b + layout.d, &from.d, scale_bytes(format));
  if (format.has_min) std::memcpy(b + layout.min, &from.min, sizeof from.min);
}

}  // namespace cairn
