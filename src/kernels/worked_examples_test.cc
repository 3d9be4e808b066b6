// Textbook examples of attention with a cache, through the real kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/kernel_testing.h"

namespace cairn {
namespace {

constexpr int kDim = 4;
using Row = std::array<float, kDim>;

// One head of f32 keys and values in one block, as the engine holds them.
class OneHead {
 public:
  explicit OneHead(const Kernels& kernels)
      : kernels_(kernels), block_(keys_.bytes + values_.bytes), state_(attention_state_floats(kDim)) {}

  void append(const Row& key, const Row& value) {
    kv_encode_row(keys_, key.data(), count_, block_.data());
    kv_encode_row(values_, value.data(), count_++, block_.data() + keys_.bytes);
  }
  // Attention of a query over the first `end` positions, scores divided by sqrt(kDim).
  [[nodiscard]] Row attend(const Row& query, int32_t end) const {
    Row scaled{}, out{};
    std::ranges::transform(query, scaled.begin(), [](float q) { return q / 2.0F; });
    const BlockId table[] = {{0}};
    const AttentionRow rows[] = {{.visible = {.query = scaled.data(), .end = end}, .state = state_.data()}};
    const AttentionTile tile{.keys = keys_,
                             .values = values_,
                             .values_offset = keys_.bytes,
                             .sequence = {.table = table, .memory = block_.data()},
                             .rows = rows};
    const TestArray<float> scratch(attention_scratch_floats(kDim));
    clear_attention_state(state_.data());
    kernels_.attend(tile, {0, 1}, {scratch.data()});
    kernels_.finish_attention(state_.data(), kDim, out.data());
    return out;
  }

 private:
  const Kernels& kernels_;
  const KvTileShape keys_ = kv_tile_shape({KvFormat::kF32}, KvSide::kKeys, kDim);
  const KvTileShape values_ = kv_tile_shape({KvFormat::kF32}, KvSide::kValues, kDim);
  TestArray<std::byte> block_;
  TestArray<float> state_;
  int32_t count_ = 0;
};

void expect_near(const Row& actual, const Row& expected) {
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 6e-5) << "element " << i;
}

class WorkedExamples : public testing::TestWithParam<Isa> {};

constexpr Row kX1{1, .5F, .2F, .1F}, kX2{.5F, 1, .3F, .2F}, kX3{.3F, .8F, 1, .4F};

TEST_P(WorkedExamples, TwoTokensThatSeeEachOther) {
  OneHead head(kernels_for(GetParam()));
  head.append(kX1, kX1);
  head.append(kX2, kX2);
  expect_near(head.attend(kX1, 2), {.7637F, .7363F, .2473F, .1473F});
  expect_near(head.attend(kX2, 2), {.7313F, .7687F, .2537F, .1537F});
}

TEST_P(WorkedExamples, TheFirstTokenOfACausalModelSeesItself) {
  OneHead head(kernels_for(GetParam()));
  head.append(kX1, kX1);
  head.append(kX2, kX2);
  EXPECT_EQ(head.attend(kX1, 1), kX1);
}

TEST_P(WorkedExamples, AThirdTokenDecodedWithTheCache) {
  OneHead head(kernels_for(GetParam()));
  head.append(kX1, kX1);
  head.append(kX2, kX2);
  head.append(kX3, kX3);
  expect_near(head.attend(kX3, 3), {.5467F, .7851F, .5683F, .2580F});
}

// Packs rows as an f32 weight matrix.
struct Packed {
  Packed(const std::vector<float>& values, int64_t rows, int64_t columns)
      : data(packed_bytes(TensorType::kF32, rows, columns)) {
    const std::byte* of_panel[kPanelRows] = {};
    for (int64_t r = 0; r < rows; ++r)
      of_panel[r] = reinterpret_cast<const std::byte*>(values.data() + r * columns);
    pack_panel(TensorType::kF32, of_panel, columns, data.data());
    matrix = {TensorType::kF32, rows, columns, data.data()};
  }
  TestArray<std::byte> data;
  PackedMatrix matrix;
};

TEST_P(WorkedExamples, WithoutSoftmaxTheLastRowNeedsOnlyTheCache) {
  const Kernels& kernels = kernels_for(GetParam());
  const std::vector<float> qk = {1, 0, 0, 1, 1, 1, 2, 2};            // 4 x 2: queries, and keys
  const std::vector<float> v_transposed = {0, 1, 1, 2, 1, 0, 1, 2};  // 2 x 4
  const Packed keys(qk, 4, 2);
  const Packed values(v_transposed, 2, 4);
  const std::vector<float> all_scores = multiply(kernels, keys.matrix, qk.data(), 4, 2);
  const std::vector<float> all = multiply(kernels, values.matrix, all_scores.data(), 4, 4);
  const std::vector<float> last_scores = multiply(kernels, keys.matrix, qk.data() + 6, 1, 2);
  const std::vector<float> last = multiply(kernels, values.matrix, last_scores.data(), 1, 4);
  EXPECT_EQ(last, (std::vector<float>{22, 22}));
  EXPECT_EQ(std::vector<float>(all.begin() + 6, all.end()), last);
}

INSTANTIATE_TEST_SUITE_P(All, WorkedExamples, testing::ValuesIn(available_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace cairn
