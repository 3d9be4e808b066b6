#include "kernels/k_quants.h"

#include "kernels/quant_block.h"

namespace cairn {
namespace {

constexpr int kSuper = 256;

// Where element i's bits lie. q2_k, q3_k: byte 32 (i / 128) + i % 32, pair (i % 128) / 32 of it.
struct Place {
  int byte;
  int shift;
};
constexpr Place pair_place(int i) { return {i / 128 * 32 + i % 32, i % 128 / 32 * 2}; }
// q4_k, q5_k: byte 32 (i / 64) + i % 32, its low nibble for the first 32 of 64, then its high one.
constexpr Place nibble_place(int i) { return {i / 64 * 32 + i % 32, i % 64 / 32 * 4}; }
// q6_k's low nibbles: of each 128, elements 0..63 are the low nibbles of 64 bytes, 64..127 the high ones.
constexpr Place six_low_place(int i) { return {i / 128 * 64 + i % 64, i % 128 / 64 * 4}; }

uint32_t bits_at(const std::byte* bytes, Place at, uint32_t mask) {
  return byte_at(bytes + at.byte) >> at.shift & mask;
}

void set_bits(std::byte* bytes, Place at, int32_t value) {
  bytes[at.byte] |= static_cast<std::byte>(static_cast<uint32_t>(value) << at.shift & 0xFFU);
}

// The eight 6-bit scales and mins of q4_k and q5_k: the first four of each lie in the low bits of bytes 0..3
// and 4..7; the others have their low nibble in bytes 8..11 and their upper two bits on top of 0..3 and 4..7.
struct ScaleAndMin {
  uint32_t scale;
  uint32_t min;
};
ScaleAndMin scale_and_min(const std::byte* scales, int j) {
  const auto at = [&](int i) { return byte_at(scales + i); };
  if (j < 4) return {at(j) & 63U, at(j + 4) & 63U};
  return {(at(j + 4) & 15U) | at(j - 4) >> 6 << 4, at(j + 4) >> 4 | at(j) >> 6 << 4};
}

void store_scale_and_min(std::byte* scales, int j, ScaleAndMin value) {
  const auto put = [&](int i, uint32_t bits) { scales[i] |= static_cast<std::byte>(bits & 0xFFU); };
  if (j < 4) {
    put(j, value.scale);
    put(j + 4, value.min);
  } else {
    put(j + 4, (value.scale & 15U) | value.min << 4);
    put(j - 4, value.scale >> 4 << 6);
    put(j, value.min >> 4 << 6);
  }
}

// The sixteen 6-bit scales of q3_k, less 32: low nibbles in bytes 0..7 (8 scales low, 8 high), upper pairs in
// bytes 8..11 (four scales to a byte, scale j in byte 8 + j % 4).
int32_t three_scale(const std::byte* scales, int j) {
  const uint32_t low = byte_at(scales + j % 8) >> (j / 8 * 4) & 15U;
  const uint32_t high = byte_at(scales + 8 + j % 4) >> (j / 4 * 2) & 3U;
  return static_cast<int32_t>(low | high << 4) - 32;
}

void store_three_scale(std::byte* scales, int j, int32_t value) {
  const auto bits = static_cast<uint32_t>(value + 32);
  scales[j % 8] |= static_cast<std::byte>((bits & 15U) << (j / 8 * 4));
  scales[8 + j % 4] |= static_cast<std::byte>(bits >> 4 << (j / 4 * 2));
}

// The integer multiple of `unit` that is at least `x`, so that no value of the sub-block is clipped.
int32_t multiple_above(float x, float unit, int32_t most) {
  const float ratio = std::min(x * inverse(unit), static_cast<float>(most));
  const auto whole = static_cast<int32_t>(ratio > 0 ? ratio : 0.0F);
  return std::min(whole + (static_cast<float>(whole) < ratio ? 1 : 0), most);
}

// x = q (d s) - dmin m for sub-blocks of `size`: fills s, m and q; the f16 scales go to `d_at`, `dmin_at`.
struct AffineShape {
  int size;
  int32_t q_max;
  int32_t scale_max;
};
struct AffineBlock {
  int32_t scale[16];
  int32_t min[16];
  int32_t q[kSuper];
};
AffineBlock encode_affine_super(const float* values, AffineShape shape, std::byte* d_at, std::byte* dmin_at) {
  AffineBlock block{};
  const int count = kSuper / shape.size;
  float min[16], top[16];  // how far below zero a sub-block reaches, and its largest value
  float min_most = 0, scale_most = 0;
  for (int j = 0; j < count; ++j) {
    const auto [low, high] = std::minmax_element(values + j * shape.size, values + (j + 1) * shape.size);
    min[j] = std::max(-*low, 0.0F);
    top[j] = *high;
    min_most = std::max(min_most, min[j]);
  }
  const float dmin = store_f16(min_most / static_cast<float>(shape.scale_max), dmin_at);
  float scale[16];
  for (int j = 0; j < count; ++j) {
    block.min[j] = multiple_above(min[j], dmin, shape.scale_max);
    const float span = top[j] + dmin * static_cast<float>(block.min[j]);
    scale[j] = std::max(span, 0.0F) / static_cast<float>(shape.q_max);
    scale_most = std::max(scale_most, scale[j]);
  }
  const float d = store_f16(scale_most / static_cast<float>(shape.scale_max), d_at);
  for (int j = 0; j < count; ++j) {
    block.scale[j] = multiple_above(scale[j], d, shape.scale_max);
    const float step = inverse(d * static_cast<float>(block.scale[j]));
    const float shift = dmin * static_cast<float>(block.min[j]);
    for (int i = j * shape.size; i < (j + 1) * shape.size; ++i) {
      block.q[i] = nearest_in((values[i] + shift) * step, 0, shape.q_max);
    }
  }
  return block;
}

// x = (q - zero) (d s), s signed, for sub-blocks of 16. The value of largest magnitude falls on q = 0.
struct SignedBlock {
  int32_t scale[16];
  int32_t q[kSuper];
};
SignedBlock encode_signed_super(const float* values, int32_t zero, int32_t scale_max, std::byte* d_at) {
  SignedBlock block{};
  float scale[16];
  float most = 0;
  for (int j = 0; j < 16; ++j) {
    scale[j] = peak(values + j * 16, 16) / -static_cast<float>(zero);
    most = std::max(most, magnitude(scale[j]));
  }
  const float d = store_f16(most / static_cast<float>(scale_max), d_at);
  for (int j = 0; j < 16; ++j) {
    const int32_t multiple = multiple_above(magnitude(scale[j]), d, scale_max);
    block.scale[j] = scale[j] < 0 ? -multiple : multiple;
    const float step = inverse(d * static_cast<float>(block.scale[j]));
    for (int i = j * 16; i < (j + 1) * 16; ++i) {
      block.q[i] = nearest_in(values[i] * step, -zero, zero - 1) + zero;
    }
  }
  return block;
}

}  // namespace

void decode_q2_k(const std::byte* block, float* values) {
  const std::byte* scales = block;
  const std::byte* qs = block + 16;
  const float d = load_f16(block + 80);
  const float dmin = load_f16(block + 82);
  for (int i = 0; i < kSuper; ++i) {
    const uint32_t both = byte_at(scales + i / 16);
    const float scale = d * static_cast<float>(both & 15U);
    const float min = dmin * static_cast<float>(both >> 4);
    values[i] = scale * static_cast<float>(bits_at(qs, pair_place(i), 3)) - min;
  }
}

void decode_q3_k(const std::byte* block, float* values) {
  const std::byte* high = block;
  const std::byte* qs = block + 32;
  const std::byte* scales = block + 96;
  const float d = load_f16(block + 108);
  for (int i = 0; i < kSuper; ++i) {
    const uint32_t third = byte_at(high + i % 32) >> (i / 32) & 1U;
    const auto q = static_cast<int32_t>(bits_at(qs, pair_place(i), 3) | third << 2) - 4;
    values[i] = d * static_cast<float>(three_scale(scales, i / 16)) * static_cast<float>(q);
  }
}

void decode_q4_k(const std::byte* block, float* values) {
  const float d = load_f16(block);
  const float dmin = load_f16(block + 2);
  for (int i = 0; i < kSuper; ++i) {
    const ScaleAndMin s = scale_and_min(block + 4, i / 32);
    const float scale = d * static_cast<float>(s.scale);
    const float min = dmin * static_cast<float>(s.min);
    values[i] = scale * static_cast<float>(bits_at(block + 16, nibble_place(i), 15)) - min;
  }
}

void decode_q5_k(const std::byte* block, float* values) {
  const float d = load_f16(block);
  const float dmin = load_f16(block + 2);
  const std::byte* fifth = block + 16;
  for (int i = 0; i < kSuper; ++i) {
    const ScaleAndMin s = scale_and_min(block + 4, i / 32);
    const float scale = d * static_cast<float>(s.scale);
    const float min = dmin * static_cast<float>(s.min);
    const uint32_t high = byte_at(fifth + i % 32) >> (i / 32) & 1U;
    values[i] = scale * static_cast<float>(bits_at(block + 48, nibble_place(i), 15) | high << 4) - min;
  }
}

void decode_q6_k(const std::byte* block, float* values) {
  const std::byte* pairs = block + 128;
  const float d = load_f16(block + 208);
  for (int i = 0; i < kSuper; ++i) {
    const auto scale = static_cast<int8_t>(byte_at(block + 192 + i / 16));
    const uint32_t bits = bits_at(block, six_low_place(i), 15) | bits_at(pairs, pair_place(i), 3) << 4;
    values[i] = d * static_cast<float>(scale) * static_cast<float>(static_cast<int32_t>(bits) - 32);
  }
}

void encode_q2_k(const float* values, std::byte* block) {
  std::fill_n(block, 84, std::byte{0});
  const AffineBlock b = encode_affine_super(values, {16, 3, 15}, block + 80, block + 82);
  for (int j = 0; j < 16; ++j) block[j] = static_cast<std::byte>(b.scale[j] | b.min[j] << 4);
  for (int i = 0; i < kSuper; ++i) set_bits(block + 16, pair_place(i), b.q[i]);
}

void encode_q3_k(const float* values, std::byte* block) {
  std::fill_n(block, 110, std::byte{0});
  const SignedBlock b = encode_signed_super(values, 4, 31, block + 108);
  for (int j = 0; j < 16; ++j) store_three_scale(block + 96, j, b.scale[j]);
  for (int i = 0; i < kSuper; ++i) {
    set_bits(block, {i % 32, i / 32}, b.q[i] >> 2);
    set_bits(block + 32, pair_place(i), b.q[i] & 3);
  }
}

void encode_q4_k(const float* values, std::byte* block) {
  std::fill_n(block, 144, std::byte{0});
  const AffineBlock b = encode_affine_super(values, {32, 15, 63}, block, block + 2);
  for (int j = 0; j < 8; ++j) {
    store_scale_and_min(block + 4, j, {static_cast<uint32_t>(b.scale[j]), static_cast<uint32_t>(b.min[j])});
  }
  for (int i = 0; i < kSuper; ++i) set_bits(block + 16, nibble_place(i), b.q[i]);
}

void encode_q5_k(const float* values, std::byte* block) {
  std::fill_n(block, 176, std::byte{0});
  const AffineBlock b = encode_affine_super(values, {32, 31, 63}, block, block + 2);
  for (int j = 0; j < 8; ++j) {
    store_scale_and_min(block + 4, j, {static_cast<uint32_t>(b.scale[j]), static_cast<uint32_t>(b.min[j])});
  }
  for (int i = 0; i < kSuper; ++i) {
    set_bits(block + 16, {i % 32, i / 32}, b.q[i] >> 4);
    set_bits(block + 48, nibble_place(i), b.q[i] & 15);
  }
}

void encode_q6_k(const float* values, std::byte* block) {
  std::fill_n(block, 210, std::byte{0});
  const SignedBlock b = encode_signed_super(values, 32, 127, block + 208);
  for (int j = 0; j < 16; ++j) block[192 + j] = static_cast<std::byte>(static_cast<uint8_t>(b.scale[j]));
  for (int i = 0; i < kSuper; ++i) {
    set_bits(block, six_low_place(i), b.q[i] & 15);
    set_bits(block + 128, pair_place(i), b.q[i] >> 4);
  }
}

}  // namespace cairn
