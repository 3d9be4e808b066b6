#include "kernels/weights/dequantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "kernels/float16.h"
#include "kernels/weights/dequantize_testing.h"

namespace cairn {
namespace {

std::vector<float> decode(TensorType type, std::span<const std::byte> bytes) {
  const TensorTypeInfo& info = tensor_type_info(type);
  std::vector<float> values(bytes.size() / static_cast<size_t>(info.bytes) *
                            static_cast<size_t>(info.elements));
  dequantize_row(type, bytes.data(), values);
  return values;
}

std::vector<std::byte> encode(TensorType type, std::span<const float> values) {
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(type, static_cast<int64_t>(values.size()))));
  quantize_row(type, values, bytes.data());
  return bytes;
}

std::vector<float> gaussian(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.05F);
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return normal(random); });
  return values;
}

bool is_quantized(TensorType type) { return tensor_type_info(type).elements > 1; }

// Golden hashes of 64 random blocks of seed 7, from another implementation: the functions
// dequantize_row_* of libggml-base.so, of the prebuilt package @node-llama-cpp/linux-x64 3.22.1 (llama.cpp
// release v0.5.0, x86-64 without FMA), fed with random_blocks(type, 64, 7).
TEST(Dequantize, EqualsGgmlBitForBit) {
  const std::map<TensorType, uint64_t> golden = {
      {TensorType::kQ8_0, 0x0cb1184c64edd844},   {TensorType::kQ4_0, 0x7eff0b891a666b15},
      {TensorType::kQ4_1, 0xdaf1966c7606f713},   {TensorType::kQ5_0, 0xfa6d83f4257a6c10},
      {TensorType::kQ5_1, 0x7be672a1066376e1},   {TensorType::kQ2_K, 0xc49a52bacf1093b0},
      {TensorType::kQ3_K, 0x455f1182227a895a},   {TensorType::kQ4_K, 0x76eb83921dc30dd0},
      {TensorType::kQ5_K, 0xd72a565037f0c1d2},   {TensorType::kQ6_K, 0x6d74c24e4cf63187},
      {TensorType::kIQ4_NL, 0x7d9daf8f66d90339}, {TensorType::kIQ4_XS, 0x619e1d38e2e5f376},
      {TensorType::kIQ3_S, 0xd61815b45d8c3c9e},  {TensorType::kIQ3_XXS, 0xe7193dcb822c2cc3},
      {TensorType::kMXFP4, 0xeab33c5d2ab5586d}};
  for (TensorType type : kAllTensorTypes) {
    if (!is_quantized(type)) continue;
    EXPECT_EQ(hash_bits(decode(type, random_blocks(type, 64, 7))), golden.at(type))
        << tensor_type_info(type).name;
  }
}

// Golden hashes from the same library. mxfp4: one block of each exponent, with each code twice.
TEST(Dequantize, EveryExponentEqualsGgml) {
  std::vector<std::byte> blocks(256 * 17);
  for (size_t e = 0; e < 256; ++e) {
    blocks[17 * e] = static_cast<std::byte>(e);
    for (size_t j = 0; j < 16; ++j) blocks[17 * e + 1 + j] = static_cast<std::byte>(j | (15 - j) << 4);
  }
  EXPECT_EQ(hash_bits(decode(TensorType::kMXFP4, blocks)), 0xd88b58dbc6f418a5U);
}

// The grids: blocks with scales of one whose indices are 0, 1, 2 ... and whose signs follow a pattern.
TEST(Dequantize, EveryQuadOfTheGridsEqualsGgml) {
  const std::map<TensorType, uint64_t> golden = {{TensorType::kIQ3_S, 0xed5af573e2435672},
                                                 {TensorType::kIQ3_XXS, 0x23cb5bc962d0d6db}};
  for (const auto& [type, hash] : golden) {
    const auto block_bytes = static_cast<size_t>(tensor_type_info(type).bytes);
    std::vector<std::byte> blocks(8 * block_bytes);
    for (size_t b = 0; b < 8; ++b) {
      std::byte* const block = blocks.data() + b * block_bytes;
      const uint16_t one = float_to_f16(1.0F);
      std::memcpy(block, &one, sizeof one);
      for (size_t i = 0; i < 64; ++i) block[2 + i] = static_cast<std::byte>(64 * b + i);
      for (size_t i = 66; i < block_bytes; ++i) block[i] = static_cast<std::byte>(b < 4 ? 0 : 255);
    }
    EXPECT_EQ(hash_bits(decode(type, blocks)), hash) << tensor_type_info(type).name;
  }
}

// A Q4_0 block by hand: scale 0.5, nibbles 0..15 low and 15..0 high.
TEST(Dequantize, Q4_0ByHand) {
  std::vector<std::byte> block(18);
  const uint16_t half = float_to_f16(0.5F);
  std::memcpy(block.data(), &half, 2);
  for (unsigned j = 0; j < 16; ++j) block[2 + j] = static_cast<std::byte>(j | (15 - j) << 4);
  const auto values = decode(TensorType::kQ4_0, block);
  EXPECT_EQ(values[0], -4.0F);
  EXPECT_EQ(values[15], 3.5F);
  EXPECT_EQ(values[16], 3.5F);
  EXPECT_EQ(values[31], -4.0F);
  EXPECT_EQ(values[8], 0.0F);
}

// A Q6_K super-block by hand: only element 200 is not the zero point. 200 = 128 + 64 + 8: second half, third
// group of 32, so the high nibble of byte 64 + 8 and bits 4..5 of the pair byte 32 + 8.
TEST(Dequantize, Q6KByHand) {
  std::vector<float> values(256, 0.0F);
  std::vector<std::byte> block(210);
  for (int i = 0; i < 64; ++i) block[128 + i] = static_cast<std::byte>(0xAA);  // 2 in each pair: q = 32
  block[64 + 8] = static_cast<std::byte>(0x50);
  block[128 + 32 + 8] = static_cast<std::byte>(0xAA ^ 0x30);  // pair 1: q = 16 + 5
  for (int j = 0; j < 16; ++j) block[192 + j] = static_cast<std::byte>(static_cast<uint8_t>(-j));
  const uint16_t half = float_to_f16(0.25F);
  std::memcpy(block.data() + 208, &half, 2);
  values[200] = 0.25F * -12.0F * (21.0F - 32.0F);
  EXPECT_EQ(decode(TensorType::kQ6_K, block), values);
}

TEST(Dequantize, NeedsNoAlignment) {
  for (TensorType type : kAllTensorTypes) {
    const auto blocks = random_blocks(type, 2, 11);
    std::vector<std::byte> shifted(blocks.size() + 1);
    std::ranges::copy(blocks, shifted.begin() + 1);
    std::vector<float> values(2 * static_cast<size_t>(tensor_type_info(type).elements));
    dequantize_row(type, shifted.data() + 1, values);
    EXPECT_EQ(hash_bits(values), hash_bits(decode(type, blocks)));
  }
}

// Root mean square error over that of the values, as measured with this plain method on Gaussian weights, and
// a little room. For comparison, ggml's own search for better scales reaches .295 .151 .071 .036 .018 in the
// k-quants and the same as this in the others.
TEST(Quantize, ErrorStaysWithinEachTypesBound) {
  const std::map<TensorType, double> bound = {
      {TensorType::kF32, 0.0},     {TensorType::kF16, 0.0003},    {TensorType::kBF16, 0.002},
      {TensorType::kQ8_0, 0.006},  {TensorType::kQ4_0, 0.093},    {TensorType::kQ4_1, 0.08},
      {TensorType::kQ5_0, 0.046},  {TensorType::kQ5_1, 0.039},    {TensorType::kQ2_K, 0.37},
      {TensorType::kQ3_K, 0.165},  {TensorType::kQ4_K, 0.084},    {TensorType::kQ5_K, 0.042},
      {TensorType::kQ6_K, 0.02},   {TensorType::kIQ4_NL, 0.081},  {TensorType::kIQ4_XS, 0.082},
      {TensorType::kIQ3_S, 0.172}, {TensorType::kIQ3_XXS, 0.228}, {TensorType::kMXFP4, 0.12}};
  const std::vector<float> values = gaussian(64 * 256, 5);
  for (TensorType type : kAllTensorTypes) {
    const std::vector<float> back = decode(type, encode(type, values));
    double error = 0, size = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      error += (back[i] - values[i]) * static_cast<double>(back[i] - values[i]);
      size += values[i] * static_cast<double>(values[i]);
    }
    EXPECT_LE(std::sqrt(error / size), bound.at(type)) << tensor_type_info(type).name;
  }
}

// What a simple type can hold exactly, it holds exactly.
TEST(Quantize, GridValuesComeBackExactly) {
  const auto check = [](TensorType type, int low, int high, float step) {
    std::vector<float> values(32);
    for (int i = 0; i < 32; ++i) values[i] = step * static_cast<float>(low + i % (high - low + 1));
    values[0] = step * static_cast<float>(low);  // both ends fix the scale
    values[1] = step * static_cast<float>(high);
    EXPECT_EQ(decode(type, encode(type, values)), values) << tensor_type_info(type).name;
  };
  check(TensorType::kQ8_0, -127, -100, 0.25F);
  check(TensorType::kQ4_0, -8, 7, 0.5F);
  check(TensorType::kQ4_1, 0, 15, 0.125F);
  check(TensorType::kQ4_1, 3, 18, 0.125F);
  check(TensorType::kQ5_0, -16, 15, 2.0F);
  check(TensorType::kQ5_1, -10, 21, 0.5F);
}

// Decoding what was encoded and encoding it again loses nothing more, to within a step of f16.
TEST(Quantize, SecondTimeChangesLittle) {
  const std::vector<float> values = gaussian(16 * 256, 9);
  for (TensorType type : kAllTensorTypes) {
    const std::vector<float> once = decode(type, encode(type, values));
    const std::vector<float> twice = decode(type, encode(type, once));
    double error = 0, size = 0;
    for (size_t i = 0; i < once.size(); ++i) {
      error += (twice[i] - once[i]) * static_cast<double>(twice[i] - once[i]);
      size += once[i] * static_cast<double>(once[i]);
    }
    const double most = type == TensorType::kQ2_K ? 0.25 : type == TensorType::kIQ3_S ? 0.06 : 0.05;
    EXPECT_LE(std::sqrt(error / size), is_quantized(type) ? most : 0.0) << tensor_type_info(type).name;
  }
}

TEST(Quantize, ZeroStaysZero) {
  const std::vector<float> zeros(512, 0.0F);
  for (TensorType type : kAllTensorTypes) {
    for (float back : decode(type, encode(type, zeros))) ASSERT_EQ(back, 0.0F) << tensor_type_info(type).name;
  }
}

TEST(Quantize, AwkwardValuesNeverMakeNonsense) {
  std::vector<std::vector<float>> rows(6, std::vector<float>(256, 0.0F));
  rows[0][17] = 1e-30F;  // scales underflow
  rows[1][17] = 3e38F;   // scales overflow
  rows[2][17] = -3e38F;
  std::ranges::fill(rows[3], 1.0F);  // one value only
  std::ranges::fill(rows[4], -1.0F);
  rows[5][17] = std::numeric_limits<float>::quiet_NaN();  // a caller's mistake must not be undefined
  for (TensorType type : kAllTensorTypes) {
    if (!is_quantized(type)) continue;
    for (size_t r = 0; r < rows.size(); ++r) {
      for (float back : decode(type, encode(type, rows[r]))) {
        ASSERT_TRUE(r == 5 || std::isfinite(back)) << tensor_type_info(type).name << " row " << r;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
