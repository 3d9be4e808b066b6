#include "kernels/codecs/kv_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "kernels/codecs/kv_codec_testing.h"
#include "kernels/reference.h"

namespace cairn {
namespace {

bool same_bytes(const KvTileShape& shape, const TestArray<std::byte>& a, const TestArray<std::byte>& b) {
  return std::memcmp(a.data(), b.data(), static_cast<size_t>(shape.bytes)) == 0;
}

// Rows of many magnitudes: each row and each element has its own.
std::vector<float> uneven_rows(int32_t head_dim, uint64_t seed) {
  std::vector<float> rows = random_floats(int64_t{kBlockSize} * head_dim, seed);
  const std::vector<float> exponents = random_floats(kBlockSize + head_dim, seed + 1, 2.0F);
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t d = i % static_cast<size_t>(head_dim);
    const size_t p = i / static_cast<size_t>(head_dim);
    rows[i] *= std::exp2(exponents[p] + exponents[kBlockSize + d]);
  }
  return rows;
}

TEST(KvCodec, TilesTakeTheBytesThatTheFormatSays) {
  struct Size {
    KvFormat format;
    KvAxis axis;
    KvSide side;
    int32_t head_dim;
    int64_t bytes;
  };
  using enum KvFormat;
  using enum KvAxis;
  using enum KvSide;
  const std::vector<Size> sizes = {
      {kF32, kToken, kKeys, 64, 8192},
      {kF32, kToken, kValues, 64, 8192},
      {kF16, kToken, kKeys, 64, 4096},
      {kBF16, kToken, kValues, 64, 4096},
      {kFp8E4M3, kToken, kKeys, 64, 2048},
      {kFp8E5M2, kToken, kValues, 64, 2048},
      {kInt8, kToken, kKeys, 64, 2048 + 128},
      {kInt8, kToken, kValues, 64, 2048 + 128},
      {kInt8, kChannel, kKeys, 64, 2048 + 128},
      {kInt8, kChannel, kValues, 64, 2048 + 128},
      {kInt4, kToken, kKeys, 64, 1024 + 256},
      {kInt4, kToken, kValues, 64, 1024 + 256},
      {kInt4, kChannel, kKeys, 64, 1024 + 256},
      {kInt4, kChannel, kValues, 64, 1024 + 256},
      {kInt3, kToken, kKeys, 64, 768 + 256},
      {kInt3, kChannel, kValues, 64, 768 + 256},
      {kInt2, kToken, kValues, 64, 512 + 256},
      {kInt2, kChannel, kKeys, 64, 512 + 256},
      // Values are padded to 16, and of integers to 32 elements; keys by token of 80 have three groups.
      {kF16, kToken, kKeys, 20, 1280},
      {kF16, kToken, kValues, 20, 2048},
      {kF16, kToken, kKeys, 1, 64},
      {kFp8E4M3, kToken, kKeys, 1, 64},
      {kInt4, kToken, kKeys, 80, 1280 + 384},
      {kInt4, kChannel, kKeys, 80, 1280 + 320},
      {kInt4, kToken, kValues, 80, 1536 + 384},
      {kInt8, kChannel, kValues, 80, 3072 + 192},
      {kInt2, kChannel, kKeys, 1, 64},
      {kInt3, kToken, kValues, 1, 384 + 128},
  };
  for (const Size& size : sizes) {
    const TileCase c{size.format, size.axis, size.side, size.head_dim};
    EXPECT_EQ(c.shape().bytes, size.bytes) << name_of(c);
  }
}

// The error bound of a format for an element x in a group of numbers from `low` to `high`.
double error_bound(KvFormat format, double x, double low, double high) {
  const auto f16_step = [](double v) { return std::max(std::abs(v) * 0x1p-10, 0x1p-24); };
  const auto half_step = [&](double range, double levels) {  // the scale is rounded up
    const double scale = range / levels;
    return (scale + f16_step(scale)) / 2 * 1.0001 + std::abs(x) * 0x1p-22;
  };
  switch (format) {
    case KvFormat::kF32: return 0;
    case KvFormat::kF16: return std::max(std::abs(x) * 0x1p-11, 0x1p-25);
    case KvFormat::kBF16: return std::abs(x) * 0x1p-8;
    case KvFormat::kFp8E4M3: return std::max(std::abs(x) * 0x1p-4, 0x1p-10);
    case KvFormat::kFp8E5M2: return std::max(std::abs(x) * 0x1p-3, 0x1p-17);
    case KvFormat::kInt8: return half_step(std::max(-low, high), 127);
    default: break;
  }
  if (low == high) return f16_step(low) / 2;
  return half_step(high - low + f16_step(low), std::exp2(kv_format_bits(format)) - 1);
}

// The rows come back within the bound of the format, whatever the group is: around zero, far from it, or so
// small that its scale is a denormal f16.
TEST(KvCodec, RoundTripErrorIsBounded) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    using Line = std::pair<float, float>;
    for (const auto& [factor, offset] : {Line{1, 0}, Line{1, 3}, Line{1, -300}, Line{1e-6F, 0}}) {
      std::vector<float> rows = uneven_rows(c.head_dim, 7);
      for (float& x : rows) x = std::clamp(x * factor + offset, -440.0F, 440.0F);
      const std::vector<float> back = decoded_rows(shape, encoded(shape, rows).data());
      const bool by_row = c.axis == KvAxis::kToken;
      for (int32_t p = 0; p < kBlockSize; ++p) {
        for (int32_t d = 0; d < c.head_dim; ++d) {
          float low = std::numeric_limits<float>::max();
          float high = -low;
          const int32_t first = d / 32 * 32;
          const int32_t count = by_row ? std::min(32, c.head_dim - first) : kBlockSize;
          for (int32_t i = 0; i < count; ++i) {
            const float x = by_row ? rows[p * c.head_dim + first + i] : rows[i * c.head_dim + d];
            low = std::min(low, x);
            high = std::max(high, x);
          }
          const int32_t at = p * c.head_dim + d;
          ASSERT_LE(std::abs(double{back[at]} - rows[at]), error_bound(c.format, rows[at], low, high))
              << name_of(c) << " position " << p << " element " << d << " of " << low << " to " << high;
        }
      }
    }
  }
}

// A tile by hand: keys of one element, int4 by channel: sixteen numbers on the grid, twice.
TEST(KvCodec, Int4ByHand) {
  const KvTileShape shape = kv_tile_shape({KvFormat::kInt4, KvAxis::kChannel}, KvSide::kKeys, 1);
  std::vector<float> rows(kBlockSize);
  for (int p = 0; p < kBlockSize; ++p) rows[p] = -1.0F + 0.25F * static_cast<float>(p < 16 ? p : 31 - p);
  const TestArray<std::byte> tile = encoded(shape, rows);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(std::to_integer<int>(tile[i]), i | (15 - i) << 4);
  EXPECT_EQ(std::to_integer<int>(tile[17]) << 8 | std::to_integer<int>(tile[16]), 0x3400);  // 0.25
  EXPECT_EQ(std::to_integer<int>(tile[19]) << 8 | std::to_integer<int>(tile[18]), 0xBC00);  // -1
  EXPECT_EQ(decoded_rows(shape, tile.data()), rows);
}

// And int3: codes 0 to 7 four times; the low two bits in two words, the third bits in one.
TEST(KvCodec, Int3ByHand) {
  const KvTileShape shape = kv_tile_shape({KvFormat::kInt3, KvAxis::kChannel}, KvSide::kKeys, 1);
  std::vector<float> rows(kBlockSize);
  for (int p = 0; p < kBlockSize; ++p) rows[p] = static_cast<float>(p % 8);
  const TestArray<std::byte> tile = encoded(shape, rows);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(std::to_integer<int>(tile[i]), 0b11100100);
  for (int i = 8; i < 12; ++i) EXPECT_EQ(std::to_integer<int>(tile[i]), 0b11110000);
  EXPECT_EQ(decoded_rows(shape, tile.data()), rows);
}

// Rows that a broken model can produce; each of these patterns in turn fills a block or appears in its
// middle.
std::vector<std::vector<float>> hostile_rows(int32_t head_dim) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float huge = std::numeric_limits<float>::max();
  const float tiny = std::numeric_limits<float>::denorm_min();
  const size_t count = size_t{kBlockSize} * static_cast<size_t>(head_dim);
  std::vector<std::vector<float>> all;
  const float numbers[] = {inf,      -inf,      nan,      -nan,   huge,  -huge, tiny,
                           -tiny,    0x1p-126F, 0x1p-24F, 1e-6F,  0.0F,  -0.0F, 1000.1F,
                           65504.0F, 65520.0F,  -1e30F,   8.4e6F, 460.0F};
  for (const float x : numbers) {
    all.emplace_back(count, x);  // all equal
    std::vector<float> one = random_floats(static_cast<int64_t>(count), 3);
    one[count / 2] = x;  // one outlier
    all.push_back(one);
    std::vector<float> mixed(count);
    for (size_t i = 0; i < count; ++i) mixed[i] = i % 3 == 0 ? x : numbers[i % std::size(numbers)];
    all.push_back(mixed);
  }
  return all;
}

TEST(KvCodec, WhatIsStoredIsFinite) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    for (const std::vector<float>& rows : hostile_rows(c.head_dim)) {
      const TestArray<std::byte> tile = encoded(shape, rows, std::byte{0xFF});
      for (const float x : decoded_lines(shape, tile.data())) ASSERT_TRUE(std::isfinite(x)) << name_of(c);
    }
  }
}

// NaN becomes 0, and a number out of range the largest one.
TEST(KvCodec, OutOfRangeBecomesTheLargest) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto store = [](KvFormat format, float x) {
    const KvTileShape shape = kv_tile_shape({format}, KvSide::kKeys, 1);
    return decoded_rows(shape, encoded(shape, std::vector<float>(kBlockSize, x)).data())[0];
  };
  const std::pair<KvFormat, float> largest[] = {{KvFormat::kF32, std::numeric_limits<float>::max()},
                                                {KvFormat::kF16, 65504.0F},
                                                {KvFormat::kBF16, 0x1.FEp127F},
                                                {KvFormat::kFp8E4M3, 448.0F},
                                                {KvFormat::kFp8E5M2, 57344.0F},
                                                {KvFormat::kInt8, 127 * 65504.0F},
                                                {KvFormat::kInt4, 65504.0F},
                                                {KvFormat::kInt3, 65504.0F},
                                                {KvFormat::kInt2, 65504.0F}};
  for (const auto& [format, number] : largest) {
    EXPECT_EQ(store(format, inf), number);
    EXPECT_EQ(store(format, -inf), -number);
    EXPECT_EQ(store(format, std::nextafter(number, inf)), number);
    EXPECT_EQ(store(format, NAN), 0.0F);
    EXPECT_EQ(store(format, -NAN), 0.0F);
  }
}

TEST(KvCodec, BlocksEqualTheirRowsInAnyOrder) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    if (kv_seals_whole_block(shape.codec)) continue;
    const std::vector<float> rows = uneven_rows(c.head_dim, 11);
    const TestArray<std::byte> block = encoded(shape, rows);
    std::vector<int32_t> order(kBlockSize);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(5));
    TestArray<std::byte> by_rows(shape.bytes);
    std::memset(by_rows.data(), 0xA5, static_cast<size_t>(shape.bytes));
    for (const int32_t p : order) kv_encode_row(shape, rows.data() + p * c.head_dim, p, by_rows.data());
    EXPECT_TRUE(same_bytes(shape, block, by_rows)) << name_of(c);
  }
}

TEST(KvCodec, BytesOfAnEarlierUseLeaveNoTrace) {
  for (const TileCase& c : all_tile_cases()) {
    const std::vector<float> rows = uneven_rows(c.head_dim, 13);
    const auto clean = encoded(c.shape(), rows);
    for (const int stale : {0xFF, 0x7E, 0x55}) {
      EXPECT_TRUE(same_bytes(c.shape(), clean, encoded(c.shape(), rows, static_cast<std::byte>(stale))))
          << name_of(c);
    }
  }
}

TEST(KvCodec, WritingARowLeavesTheOthersAlone) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    if (kv_seals_whole_block(shape.codec)) continue;
    const TestArray<std::byte> tile = encoded(shape, uneven_rows(c.head_dim, 17));
    std::vector<float> want = decoded_rows(shape, tile.data());
    const std::vector<float> other = uneven_rows(c.head_dim, 19);
    const std::vector<float> other_back = decoded_rows(shape, encoded(shape, other).data());
    for (const int32_t p : {0, 5, 16, 21, 31}) {
      kv_encode_row(shape, other.data() + p * c.head_dim, p, tile.data());
      std::copy_n(other_back.begin() + p * c.head_dim, c.head_dim, want.begin() + p * c.head_dim);
      ASSERT_EQ(decoded_rows(shape, tile.data()), want) << name_of(c) << " position " << p;
    }
  }
}

// By channel, the scales of padding lanes are zeros too; by token such a lane has its group's minimum.
TEST(KvCodec, LanesThatPadAreZeros) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    if (c.side == KvSide::kKeys || (kv_has_minimum(c.format) && c.axis == KvAxis::kToken)) continue;
    const auto lines =
        decoded_lines(shape, encoded(shape, uneven_rows(c.head_dim, 23), std::byte{0xFF}).data());
    for (int32_t i = 0; i < shape.lines * shape.lanes; ++i) {
      if (i % shape.lanes >= c.head_dim) ASSERT_EQ(lines[i], 0.0F) << name_of(c);
    }
  }
}

// Every instruction set, every range of lines near the ends of groups; nothing is written beyond.
TEST(KvCodec, EveryInstructionSetDecodesTheSameBits) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    const TestArray<std::byte> tile = encoded(shape, uneven_rows(c.head_dim, 29));
    const std::vector<float> want = decoded_lines(shape, tile.data());
    TestArray<float> out(int64_t{shape.lines + 1} * shape.lanes);
    for (const Isa isa : available_isas()) {
      for (const int32_t first : {0, 1, 7, 31, 32, 33, shape.lines - 1}) {
        for (const int32_t count : {0, 1, 3, 15, 32, 33, 64, shape.lines - first}) {
          if (first < 0 || count < 0 || first + count > shape.lines) continue;
          const int64_t floats = int64_t{count} * shape.lanes;
          for (int64_t i = 0; i < floats + 16; ++i) out[i] = 12345.0F;
          kernels_for(isa).decode_kv(shape, tile.data(), first, count, out.data());
          const float* from = want.data() + int64_t{first} * shape.lanes;
          ASSERT_EQ(std::memcmp(out.data(), from, static_cast<size_t>(floats) * sizeof(float)), 0)
              << isa_name(isa) << ' ' << name_of(c) << " lines " << first << " + " << count;
          for (int64_t i = floats; i < floats + 16; ++i) ASSERT_EQ(out[i], 12345.0F);
        }
      }
    }
  }
}

// Also bytes that no encoder writes: every code, scales and minima of any size (but finite).
TEST(KvCodec, EveryInstructionSetDecodesAnyBytes) {
  std::mt19937_64 generator(31);
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = c.shape();
    TestArray<std::byte> tile(shape.bytes);
    for (int64_t i = 0; i < shape.bytes; ++i) tile[i] = static_cast<std::byte>(generator() & 0xFFU);
    const int64_t scales_end = shape.minima_offset + 2 * shape.scale_count;
    for (int64_t i = shape.scales_offset; kv_is_integer(c.format) && i < std::min(scales_end, shape.bytes);
         i += 2) {
      tile[i + 1] &= std::byte{0xBF};  // an exponent below 16: no infinity, no NaN
    }
    const std::vector<float> want = decoded_lines(shape, tile.data());
    TestArray<float> out(static_cast<int64_t>(want.size()));
    for (const Isa isa : available_isas()) {
      kernels_for(isa).decode_kv(shape, tile.data(), 0, shape.lines, out.data());
      for (size_t i = 0; i < want.size(); ++i) {
        const float got = out[static_cast<int64_t>(i)];
        if (std::isnan(want[i]) && std::isnan(got)) continue;
        ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want[i]))
            << isa_name(isa) << ' ' << name_of(c) << " at " << i;
      }
    }
  }
}

TEST(KvHadamard, IsSylvestersMatrix) {
  for (const int n : {1, 2, 8, 64}) {
    for (int column = 0; column < n; ++column) {
      std::vector<float> unit(static_cast<size_t>(n));
      unit[column] = 1.0F;
      kv_hadamard(unit.data(), n);
      for (int row = 0; row < n; ++row) {
        const float sign = std::popcount(static_cast<unsigned>(row & column)) % 2 == 0 ? 1.0F : -1.0F;
        ASSERT_FLOAT_EQ(unit[row], sign / std::sqrt(static_cast<float>(n)));
      }
    }
  }
}

TEST(KvHadamard, IsItsOwnInverseAndKeepsDotProducts) {
  for (const int64_t n : {1, 2, 16, 64, 128, 256}) {
    const std::vector<float> a = random_floats(n, 37);
    const std::vector<float> b = random_floats(n, 41);
    std::vector<float> turned_a = a;
    std::vector<float> turned_b = b;
    kv_hadamard(turned_a.data(), n);
    kv_hadamard(turned_b.data(), n);
    const double dot = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    EXPECT_NEAR(std::inner_product(turned_a.begin(), turned_a.end(), turned_b.begin(), 0.0), dot, 1e-5 * n);
    kv_hadamard(turned_a.data(), n);
    for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(turned_a[i], a[i], 2e-6);
  }
}

// One outlier is spread over all elements: what int4 by token then loses is far less.
TEST(KvHadamard, SpreadsAnOutlier) {
  std::vector<float> row(64);
  row[9] = 64.0F;
  kv_hadamard(row.data(), 64);
  for (const float x : row) EXPECT_EQ(std::abs(x), 8.0F);
}

}  // namespace
}  // namespace cairn
