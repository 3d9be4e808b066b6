#include "kv/geometry.h"

#include <gtest/gtest.h>

#include <array>

namespace cairn {
namespace {

struct Example {
  KvShape shape;
  int64_t positions;
  uint64_t bytes;
};

// Worked examples of the field: 2 * layers * kv_heads * head_dim * positions * element bytes.
TEST(KvGeometry, ReproducesWorkedExamples) {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  const std::array<Example, 7> examples{{
      {{12, 12, 64, KvType::kF16}, 1024, 37'748'736},             // GPT-2 small
      {{12, 12, 64, KvType::kF16}, 4096, 144u << 20},             //
      {{32, 32, 128, KvType::kF16}, 4096, 2 * kGiB},              // Llama-2 7B
      {{80, 8, 128, KvType::kF16}, 4096, kGiB + kGiB / 4},        // Llama-2 70B
      {{96, 96, 128, KvType::kF16}, 2048, 9'663'676'416},         // GPT-3 175B
      {{36, 32, 128, KvType::kF32}, 40960, 45 * kGiB},            // Qwen3-8B without sharing
      {{36, 8, 128, KvType::kF32}, 40960, 11 * kGiB + kGiB / 4},  // and as it is
  }};
  for (const Example& example : examples) {
    const auto geometry = KvGeometry::make(example.shape);
    ASSERT_TRUE(geometry.ok()) << geometry.status().message();
    const auto positions = static_cast<uint64_t>(example.positions);
    EXPECT_EQ(geometry->position_bytes() * positions, example.bytes);
    EXPECT_EQ(*geometry->bytes_of_blocks(KvGeometry::blocks_for(example.positions)), example.bytes);
  }
}

TEST(KvGeometry, RoundsUpToBlocks) {
  EXPECT_EQ(KvGeometry::blocks_for(0), 0);
  EXPECT_EQ(KvGeometry::blocks_for(1), 1);
  EXPECT_EQ(KvGeometry::blocks_for(kBlockSize), 1);
  EXPECT_EQ(KvGeometry::blocks_for(kBlockSize + 1), 2);
  EXPECT_EQ(KvGeometry::blocks_for(KvGeometry::kMaxPositions), (int64_t{1} << 26) - 1);
}

TEST(KvGeometry, BlocksAreLayoutTimesLayers) {
  const auto geometry = KvGeometry::make({5, 4, 8, KvType::kBF16});
  ASSERT_TRUE(geometry.ok());
  EXPECT_EQ(geometry->block_bytes(), 5u * static_cast<uint64_t>(geometry->layout().layer_bytes()));
  EXPECT_EQ(geometry->block_bytes() % 64, 0u);
  EXPECT_EQ(geometry->position_bytes(), 2u * 5 * 4 * 8 * 2);
}

TEST(KvGeometry, RefusesImpossibleDimensions) {
  for (const KvShape& shape :
       {KvShape{0, 4, 8}, KvShape{5, -1, 8}, KvShape{5, 4, 0}, KvShape{INT64_MAX, 4, 8},
        KvShape{5, 1 << 20, 8}, KvShape{5, 4, INT64_MAX}, KvShape{65536, 65536, 65536}}) {
    EXPECT_EQ(KvGeometry::make(shape).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_NE(KvGeometry::make({5, -1, 8}).status().message().find("KV head count is -1"), std::string::npos);
}

TEST(KvGeometry, CountsNeverOverflow) {
  const auto geometry = KvGeometry::make({96, 96, 128, KvType::kF32});
  ASSERT_TRUE(geometry.ok());
  EXPECT_TRUE(geometry->bytes_of_blocks(KvGeometry::blocks_for(KvGeometry::kMaxPositions)).ok());
  EXPECT_FALSE(geometry->bytes_of_blocks(INT64_MAX).ok());
  EXPECT_FALSE(geometry->bytes_of_blocks(-1).ok());
}

}  // namespace
}  // namespace cairn
