#include "kernels/weight_codes.h"

#include <cstring>

#include "base/check.h"

namespace cairn {
namespace {

uint16_t half_at(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

void take_q8_0(const uint8_t* b, WeightCodes& to) {
  to.d = half_at(b);
  for (int i = 0; i < 32; ++i) to.codes[i] = static_cast<uint8_t>(b[2 + i] ^ 0x80U);
}

// The four types of 32 nibbles, with or without a minimum and fifth bits.
void take_nibbles(const uint8_t* b, int minimum_bytes, int fifth_bytes, WeightCodes& to) {
  to.d = half_at(b);
  if (minimum_bytes > 0) to.min = half_at(b + 2);
  const uint8_t* fifth = b + 2 + minimum_bytes;
  const uint8_t* nibbles = fifth + fifth_bytes;
  uint32_t high = 0;
  if (fifth_bytes > 0) std::memcpy(&high, fifth, sizeof high);
  for (int i = 0; i < 16; ++i) {
    to.codes[i] = static_cast<uint8_t>((nibbles[i] & 15U) | ((high >> i) & 1U) << 4);
    to.codes[i + 16] = static_cast<uint8_t>((nibbles[i] >> 4) | ((high >> (i + 16)) & 1U) << 4);
  }
}

void take_q2_k(const uint8_t* b, WeightCodes& to) {
  for (int i = 0; i < 16; ++i) {
    to.sub_scales[i] = static_cast<int8_t>(b[i] & 15U);
    to.sub_mins[i] = static_cast<uint8_t>(b[i] >> 4);
  }
  for (int i = 0; i < 256; ++i) {
    to.codes[i] = b[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3U;
  }
  to.d = half_at(b + 80);
  to.min = half_at(b + 82);
}

void take_q3_k(const uint8_t* b, WeightCodes& to) {
  const uint8_t* high = b;
  const uint8_t* low = b + 32;
  const uint8_t* scales = b + 96;
  for (int i = 0; i < 256; ++i) {
    const uint32_t two = low[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3U;
    to.codes[i] = static_cast<uint8_t>(two | (high[i % 32] >> (i / 32) & 1U) << 2);
  }
  for (int j = 0; j < 16; ++j) {
    const uint32_t four = scales[j % 8] >> (j / 8 * 4) & 15U;
    const uint32_t two = scales[8 + j % 4] >> (j / 4 * 2) & 3U;
    to.sub_scales[j] = static_cast<int8_t>(static_cast<int>(four | two << 4) - 32);
  }
  to.d = half_at(b + 108);
}

// q4_k and q5_k: eight 6-bit scales and minima, in the order of k_quants.cc.
void take_six_bit_scales(const uint8_t* scales, WeightCodes& to) {
  for (int j = 0; j < 4; ++j) {
    to.sub_scales[j] = static_cast<int8_t>(scales[j] & 63U);
    to.sub_mins[j] = scales[j + 4] & 63U;
    to.sub_scales[j + 4] = static_cast<int8_t>((scales[j + 8] & 15U) | (scales[j] >> 6) << 4);
    to.sub_mins[j + 4] = static_cast<uint8_t>((scales[j + 8] >> 4) | (scales[j + 4] >> 6) << 4);
  }
}

void take_q4_or_q5_k(const uint8_t* b, int fifth_bytes, WeightCodes& to) {
  to.d = half_at(b);
  to.min = half_at(b + 2);
  take_six_bit_scales(b + 4, to);
  const uint8_t* fifth = b + 16;
  const uint8_t* nibbles = fifth + fifth_bytes;
  for (int i = 0; i < 256; ++i) {
    const uint32_t four = nibbles[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15U;
    const uint32_t one = fifth_bytes > 0 ? fifth[i % 32] >> (i / 32) & 1U : 0U;
    to.codes[i] = static_cast<uint8_t>(four | one << 4);
  }
}

void take_q6_k(const uint8_t* b, WeightCodes& to) {
  const uint8_t* low = b;
  const uint8_t* high = b + 128;
  for (int i = 0; i < 256; ++i) {
    const uint32_t four = low[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15U;
    const uint32_t two = high[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3U;
    to.codes[i] = static_cast<uint8_t>(four | two << 4);
  }
  std::memcpy(to.sub_scales, b + 192, 16);
  to.d = half_at(b + 208);
}

}  // namespace

void take_apart(TensorType type, const std::byte* block, WeightCodes& to) {
  const auto* b = reinterpret_cast<const uint8_t*>(block);
  switch (type) {
    case TensorType::kQ8_0: return take_q8_0(b, to);
    case TensorType::kQ4_0: return take_nibbles(b, 0, 0, to);
    case TensorType::kQ4_1: return take_nibbles(b, 2, 0, to);
    case TensorType::kQ5_0: return take_nibbles(b, 0, 4, to);
    case TensorType::kQ5_1: return take_nibbles(b, 2, 4, to);
    case TensorType::kQ2_K: return take_q2_k(b, to);
    case TensorType::kQ3_K: return take_q3_k(b, to);
    case TensorType::kQ4_K: return take_q4_or_q5_k(b, 0, to);
    case TensorType::kQ5_K: return take_q4_or_q5_k(b, 32, to);
    case TensorType::kQ6_K: return take_q6_k(b, to);
    default: CHECK(false && "not a quantised type");
  }
}

}  // namespace cairn
