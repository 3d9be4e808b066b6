// Random stored blocks of a weight type, for tests: every byte is random except the scales, whose
// magnitudes lie between 2^-9 and 2. A function of the seed alone, so that another program can use the same
// blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/weights/tensor_type.h"

namespace cairn {

// Where the f16 scales lie in a block.
inline std::vector<int> scale_offsets(TensorType type) {
  switch (type) {
    case TensorType::kQ8_0:
    case TensorType::kQ4_0:
    case TensorType::kQ5_0:
    case TensorType::kIQ4_NL:
    case TensorType::kIQ4_XS:
    case TensorType::kIQ3_S:
    case TensorType::kIQ3_XXS: return {0};
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K: return {0, 2};
    case TensorType::kQ2_K: return {80, 82};
    case TensorType::kQ3_K: return {108};
    case TensorType::kQ6_K: return {208};
    default: return {};
  }
}

inline std::vector<std::byte> random_blocks(TensorType type, int count, uint64_t seed) {
  const auto next = [&seed] {  // Knuth's MMIX generator; the upper bits are good enough for bytes
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(seed >> 33);
  };
  const auto block_bytes = static_cast<size_t>(tensor_type_info(type).bytes);
  std::vector<std::byte> blocks(block_bytes * static_cast<size_t>(count));
  for (std::byte& b : blocks) b = static_cast<std::byte>(next() & 0xFFU);
  for (size_t at = 0; at < blocks.size(); at += block_bytes) {
    if (type == TensorType::kMXFP4) blocks[at] = static_cast<std::byte>(119U + next() % 10U);
    for (int offset : scale_offsets(type)) {
      const uint32_t sign_and_mantissa = next() & 0x83FFU;
      const auto f16 = static_cast<uint16_t>(sign_and_mantissa | (6U + next() % 10U) << 10);
      std::memcpy(blocks.data() + at + offset, &f16, sizeof f16);
    }
  }
  return blocks;
}

// FNV-1a over the bits of the values, to compare many of them with one golden number.
inline uint64_t hash_bits(std::span<const float> values) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (std::byte b : std::as_bytes(values)) hash = (hash ^ std::to_integer<uint64_t>(b)) * 0x100000001b3U;
  return hash;
}

}  // namespace cairn
