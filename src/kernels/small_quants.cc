#include "kernels/small_quants.h"

#include "kernels/quant_block.h"

namespace cairn {
namespace {

constexpr int kHalf = 16;
constexpr int kBlock = 32;

// Element j of a block is the low nibble of byte j, element j + 16 its high nibble; the fifth bits lie in one
// little-endian word, element i at bit i.
uint32_t low_four(const std::byte* nibbles, int i) {
  return i < kHalf ? byte_at(nibbles + i) & 15U : byte_at(nibbles + i - kHalf) >> 4;
}

uint32_t load_word(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint32_t five(const std::byte* bits_and_nibbles, int i) {
  return low_four(bits_and_nibbles + 4, i) | ((load_word(bits_and_nibbles) >> i) & 1U) << 4;
}

void store_nibbles(const int32_t* q, std::byte* nibbles) {
  for (int j = 0; j < kHalf; ++j) {
    const auto low = static_cast<uint32_t>(q[j]) & 15U;
    const auto high = static_cast<uint32_t>(q[j + kHalf]) & 15U;
    nibbles[j] = static_cast<std::byte>(low | high << 4);
  }
}

void store_fives(const int32_t* q, std::byte* bits_and_nibbles) {
  uint32_t word = 0;
  for (int i = 0; i < kBlock; ++i) word |= (static_cast<uint32_t>(q[i]) >> 4 & 1U) << i;
  std::memcpy(bits_and_nibbles, &word, sizeof word);
  store_nibbles(q, bits_and_nibbles + 4);
}

// q in [0, 2 zero): x = (q - zero) d. The largest value falls on q = 0, where the range reaches furthest.
void encode_symmetric(const float* values, int32_t zero, std::byte* scale, int32_t* q) {
  const float d = store_f16(peak(values, kBlock) / -static_cast<float>(zero), scale);
  const float id = inverse(d);
  for (int i = 0; i < kBlock; ++i) q[i] = nearest_in(values[i] * id, -zero, zero - 1) + zero;
}

// q in [0, q_max]: x = q d + m.
void encode_affine(const float* values, int32_t q_max, std::byte* scale_and_min, int32_t* q) {
  const auto [low, high] = std::minmax_element(values, values + kBlock);
  const float m = store_f16(*low, scale_and_min + 2);
  const float d = store_f16(std::max(*high - m, 0.0F) / static_cast<float>(q_max), scale_and_min);
  const float id = inverse(d);
  for (int i = 0; i < kBlock; ++i) q[i] = nearest_in((values[i] - m) * id, 0, q_max);
}

}  // namespace

void decode_q8_0(const std::byte* block, float* values) {
  const float d = load_f16(block);
  for (int i = 0; i < kBlock; ++i) {
    values[i] = static_cast<float>(static_cast<int8_t>(byte_at(block + 2 + i))) * d;
  }
}

void decode_q4_0(const std::byte* block, float* values) {
  const float d = load_f16(block);
  for (int i = 0; i < kBlock; ++i) {
    values[i] = static_cast<float>(static_cast<int32_t>(low_four(block + 2, i)) - 8) * d;
  }
}

void decode_q4_1(const std::byte* block, float* values) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  for (int i = 0; i < kBlock; ++i) values[i] = static_cast<float>(low_four(block + 4, i)) * d + m;
}

void decode_q5_0(const std::byte* block, float* values) {
  const float d = load_f16(block);
  for (int i = 0; i < kBlock; ++i) {
    values[i] = static_cast<float>(static_cast<int32_t>(five(block + 2, i)) - 16) * d;
  }
}

void decode_q5_1(const std::byte* block, float* values) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  for (int i = 0; i < kBlock; ++i) values[i] = static_cast<float>(five(block + 4, i)) * d + m;
}

void encode_q8_0(const float* values, std::byte* block) {
  const float d = store_f16(magnitude(peak(values, kBlock)) / 127.0F, block);
  const float id = inverse(d);
  int8_t q[kBlock];
  for (int i = 0; i < kBlock; ++i) q[i] = static_cast<int8_t>(nearest_in(values[i] * id, -127, 127));
  std::memcpy(block + 2, q, sizeof q);
}

void encode_q4_0(const float* values, std::byte* block) {
  int32_t q[kBlock];
  encode_symmetric(values, 8, block, q);
  store_nibbles(q, block + 2);
}

void encode_q4_1(const float* values, std::byte* block) {
  int32_t q[kBlock];
  encode_affine(values, 15, block, q);
  store_nibbles(q, block + 4);
}

void encode_q5_0(const float* values, std::byte* block) {
  int32_t q[kBlock];
  encode_symmetric(values, 16, block, q);
  store_fives(q, block + 2);
}

void encode_q5_1(const float* values, std::byte* block) {
  int32_t q[kBlock];
  encode_affine(values, 31, block, q);
  store_fives(q, block + 4);
}

}  // namespace cairn
