#include "kv/geometry.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <vector>

namespace cairn {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

KvPlan plan_of(std::string_view text) {
  const auto plan = KvPlan::parse(text);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return *plan;
}

KvGeometry geometry_of(int64_t layer_count, int64_t kv_head_count, int64_t head_dim, std::string_view plan) {
  const auto geometry = KvGeometry::make({layer_count, kv_head_count, head_dim, plan_of(plan)});
  EXPECT_TRUE(geometry.ok()) << geometry.status().message();
  return *geometry;
}

struct Example {
  int64_t layer_count;
  int64_t kv_head_count;
  int64_t head_dim;
  std::string_view plan;
  int64_t positions;
  int64_t sequence_count;
  uint64_t bytes;
};

// Worked examples of the field: 2 * layers * kv_heads * head_dim * positions * element bytes.
TEST(KvGeometry, ReproducesWorkedExamples) {
  const std::vector<Example> examples{
      {12, 12, 64, "f16", 1024, 1, 37'748'736},              // GPT-2 small: 36 MiB
      {12, 12, 64, "f16", 4096, 1, 144U << 20U},             //
      {32, 32, 128, "f16", 4096, 1, 2 * kGiB},               // Llama-2 7B
      {80, 8, 128, "f16", 4096, 1, kGiB + kGiB / 4},         // Llama-2 70B: 1.34 GB
      {96, 96, 128, "f16", 2048, 1, 9'663'676'416},          // GPT-3 175B: 9.66 GB, 9 GiB
      {96, 96, 128, "f16", 4096, 1, 18 * kGiB},              //
      {96, 96, 128, "f16", 2048, 8, 77'309'411'328},         // 77.3 GB
      {48, 56, 128, "f16", 1024, 128, 180'388'626'432},      // like OPT-30B: 180.4 GB
      {40, 32, 128, "f16", 4000, 1, 2'621'440'000},          // 40 layers: 2.62 GB a user
      {40, 32, 128, "f16", 4000, 100, 262'144'000'000},      //
      {36, 32, 128, "f32", 40960, 1, 45 * kGiB},             // Qwen3-8B without sharing: 48.32 GB
      {36, 8, 128, "f32", 40960, 1, 11 * kGiB + kGiB / 4},   // and as it is: 11.25 GiB
      {36, 32, 128, "f16", 40960, 1, 22 * kGiB + kGiB / 2},  // 24.16 GB
  };
  for (const Example& example : examples) {
    const KvGeometry geometry =
        geometry_of(example.layer_count, example.kv_head_count, example.head_dim, example.plan);
    const int64_t blocks = example.sequence_count * KvGeometry::blocks_for(example.positions);
    EXPECT_EQ(*geometry.bytes_of_blocks(blocks), example.bytes);
    EXPECT_EQ(geometry.position_bytes() * static_cast<uint64_t>(example.sequence_count * example.positions),
              example.bytes);
  }
}

// Thirty-two elements share a scale of 16 bits, and, below int8, a minimum of 16 bits.
TEST(KvGeometry, CountsScalesToTheBit) {
  struct Bits {
    std::string_view plan;
    uint64_t hundredths;  // bits of an element, times 100
  };
  for (const auto& [plan, hundredths] :
       {Bits{"f32", 3200}, Bits{"f16", 1600}, Bits{"bf16", 1600}, Bits{"fp8", 800}, Bits{"fp8_e5m2", 800},
        Bits{"int8", 850}, Bits{"int4", 500}, Bits{"int4:token", 500}, Bits{"int3", 400}, Bits{"int2", 300},
        Bits{"k=int8,v=int4", 675}}) {
    for (const int64_t head_dim : {64, 128}) {
      const KvGeometry geometry = geometry_of(1, 1, head_dim, plan);
      const auto elements = static_cast<uint64_t>(2 * head_dim);
      EXPECT_EQ(geometry.position_bytes() * 800, hundredths * elements) << plan << ", head_dim " << head_dim;
    }
  }
}

TEST(KvGeometry, OpensRowsOnlyWhereABlockIsSealedWhole) {
  for (const std::string_view plan :
       {"f32", "f16", "bf16", "fp8", "int8:token", "int4:token", "k=int8:token,v=int4:token"}) {
    const KvGeometry geometry = geometry_of(4, 2, 64, plan);
    EXPECT_FALSE(geometry.opens_rows()) << plan;
    EXPECT_EQ(geometry.step_slot_bytes(), 0U);
  }
  constexpr uint64_t kSideBytes = kBlockSize * 64 * 4;  // f32 rows of keys, or of values, of one head
  // Keys that are sealed by channel; of one layer of four, then of all.
  constexpr const char* kKeysOnly = "k=int4:channel,v=int4:token";
  EXPECT_EQ(geometry_of(4, 2, 64, "f16; layer 1: k=int4:channel,v=int4:token").open_bytes(), 2 * kSideBytes);
  EXPECT_EQ(geometry_of(4, 2, 64, kKeysOnly).open_bytes(), 4 * 2 * kSideBytes);
  EXPECT_EQ(geometry_of(4, 2, 64, kKeysOnly).step_slot_bytes(), 2 * kSideBytes);
  // Both sides, and the largest layer decides about a slot.
  const KvGeometry both = geometry_of(4, 2, 64, "k=int4:channel,v=int4:token; layer 2: int4:channel");
  EXPECT_EQ(both.open_bytes(), (3 + 2) * 2 * kSideBytes);
  EXPECT_EQ(both.step_slot_bytes(), 2 * 2 * kSideBytes);
  EXPECT_EQ(KvGeometry::step_slots_for(512, 8), 512 / kBlockSize + 8);
}

TEST(KvGeometry, LaysLayersOneAfterTheOther) {
  const KvGeometry geometry = geometry_of(5, 4, 8, "int8; layer 2: f32");
  const KvLayout layout = geometry.layout();
  int64_t offset = 0;
  for (const KvLayerLayout& layer : layout.layers) {
    EXPECT_EQ(layer.offset, offset);
    EXPECT_EQ(layer.head_bytes() % 64, 0);
    offset += 4 * layer.head_bytes();
  }
  EXPECT_EQ(geometry.block_bytes(), static_cast<uint64_t>(offset));
  EXPECT_EQ(layout.kv_head_count, 4);
  EXPECT_EQ(layout.head_dim, 8);
}

TEST(KvGeometry, LaysEachGroupsLayersInItsOwnBlock) {
  const KvShape all{5, 4, 8, plan_of("int8; layer 2: f32; layer 4: int4")};
  KvShape grouped = all;
  grouped.layer_groups = {1, 0, 1, 2, 0};
  const KvGeometry one = *KvGeometry::make(all);
  const KvGeometry geometry = *KvGeometry::make(grouped);
  ASSERT_EQ(one.group_count(), 1);
  ASSERT_EQ(geometry.group_count(), 3);
  std::array<int64_t, 3> ends{};
  for (int64_t layer = 0; layer < 5; ++layer) {
    const KvLayerLayout& layout = geometry.layout().layers[static_cast<size_t>(layer)];
    const int32_t group = geometry.group_of(layer);
    EXPECT_EQ(group, grouped.layer_groups[static_cast<size_t>(layer)]);
    int64_t& end = ends[static_cast<size_t>(group)];
    EXPECT_EQ(layout.offset, end);
    end += 4 * layout.head_bytes();
    EXPECT_EQ(layout.open_offset, one.layout().layers[static_cast<size_t>(layer)].open_offset);
  }
  uint64_t sum = 0;
  for (int32_t group = 0; group < 3; ++group) {
    EXPECT_EQ(geometry.block_bytes(group), static_cast<uint64_t>(ends[static_cast<size_t>(group)]));
    sum += geometry.block_bytes(group);
  }
  // Together they are what one group is.
  EXPECT_EQ(geometry.block_bytes(), sum);
  EXPECT_EQ(one.block_bytes(), sum);
  EXPECT_EQ(one.block_bytes(0), sum);
  EXPECT_EQ(geometry.position_bytes(), one.position_bytes());
  EXPECT_EQ(geometry.open_bytes(), one.open_bytes());
  EXPECT_EQ(*geometry.bytes_of_blocks(9), *one.bytes_of_blocks(9));
}

TEST(KvGeometry, RefusesGroupsThatAreNotOneForEachLayerWithoutAGap) {
  for (const std::vector<int32_t>& groups : {std::vector<int32_t>{0},
                                             {0, 0, 0},
                                             {0, 2},
                                             {1, 1},
                                             {0, -1},
                                             {0, 64},
                                             {0, INT32_MAX},
                                             {INT32_MIN, 0}}) {
    const KvShape shape{2, 4, 8, plan_of("f16"), groups};
    EXPECT_EQ(KvGeometry::make(shape).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(KvGeometry::make({2, 4, 8, plan_of("f16"), {1, 0}}).ok());
}

TEST(KvGeometry, RoundsUpToBlocks) {
  EXPECT_EQ(KvGeometry::blocks_for(0), 0);
  EXPECT_EQ(KvGeometry::blocks_for(1), 1);
  EXPECT_EQ(KvGeometry::blocks_for(kBlockSize), 1);
  EXPECT_EQ(KvGeometry::blocks_for(kBlockSize + 1), 2);
  EXPECT_EQ(KvGeometry::blocks_for(KvGeometry::kMaxPositions), (int64_t{1} << 25) - 1);
}

TEST(KvGeometry, RefusesImpossibleDimensions) {
  for (const KvShape& shape :
       {KvShape{0, 4, 8}, KvShape{5, -1, 8}, KvShape{5, 4, 0}, KvShape{INT64_MAX, 4, 8},
        KvShape{5, 1 << 20, 8}, KvShape{5, 4, INT64_MAX}, KvShape{65536, 65536, 65536}}) {
    EXPECT_EQ(KvGeometry::make(shape).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_NE(KvGeometry::make({5, -1, 8}).status().message().find("KV head count is -1"), std::string::npos);
}

TEST(KvGeometry, PassesOnWhatIsWrongWithThePlan) {
  const auto geometry = KvGeometry::make({5, 4, 8, plan_of("f16; layer 5: f32")});
  EXPECT_EQ(geometry.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(geometry.status().message().find("KV plan: there is no layer 5"), 0U);
}

TEST(KvGeometry, CountsNeverOverflow) {
  const KvGeometry geometry = geometry_of(96, 96, 128, "f32");
  EXPECT_TRUE(geometry.bytes_of_blocks(KvGeometry::blocks_for(KvGeometry::kMaxPositions)).ok());
  EXPECT_FALSE(geometry.bytes_of_blocks(INT64_MAX).ok());
  EXPECT_FALSE(geometry.bytes_of_blocks(-1).ok());
}

}  // namespace
}  // namespace cairn
