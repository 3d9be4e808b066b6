// Every table's arithmetic against a stored digest of its bits. Where this test fails because the arithmetic was changed
// on purpose, raise the number in the arithmetic's name (kernels.h) and store the new digest under the new name: blocks
// that were computed with the old one must not be used any more.
#include <gtest/gtest.h>

#include <map>
#include <string_view>

#include "base/random.h"
#include "kernels/amx_emulated_testing.h"
#include "kernels/attention/attention_testing.h"
#include "kernels/kernel_testing.h"
#include "kernels/weights/dequantize.h"
#include "kernels/weights/dequantize_testing.h"

namespace cairn {
namespace {

const std::map<std::string_view, uint64_t> kDigests = {
    {"f32 1", 11449393310609594715U},
    {"amx-bf16 2", 3591193063480352454U},
};
// Of the products with weights whose codes stand for levels of a book.
const std::map<std::string_view, uint64_t> kBookDigests = {
    {"f32 1", 5224779968689275378U},
    {"amx-bf16 2", 13033469504222563693U},
};

// In [-2, 2); the same on every machine, which std::normal_distribution is not.
std::vector<float> numbers(int64_t count, uint64_t stream) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = random_float(1, stream, i) * 4 - 2;
  return values;
}

class Arithmetic : public testing::TestWithParam<TestKernels> {
 protected:
  void add(const std::vector<float>& values) {
    results_.insert(results_.end(), values.begin(), values.end());
  }
  void add_product(TensorType type);
  void add_attention(const KvCodec& codec);
  void add_vectors();
  void expect_digest(const std::map<std::string_view, uint64_t>& digests) const;

  const Kernels& kernels_ = *GetParam().kernels;
  std::vector<float> results_;
};

constexpr int64_t kColumns = 512;

std::vector<std::byte> stored_matrix(TensorType type) {
  const int64_t bytes = row_bytes(type, kColumns);
  if (is_quantised(type)) {
    return random_blocks(type, static_cast<int>(kPanelRows * bytes / tensor_type_info(type).bytes), 1);
  }
  const std::vector<float> values = numbers(kPanelRows * kColumns, 1);
  std::vector<std::byte> stored(static_cast<size_t>(kPanelRows * bytes));
  for (int64_t r = 0; r < kPanelRows; ++r) {
    quantize_row(type, std::span(values).subspan(static_cast<size_t>(r * kColumns), kColumns),
                 &stored[r * bytes]);
  }
  return stored;
}

void Arithmetic::add_product(TensorType type) {
  const std::vector<std::byte> stored = stored_matrix(type);
  const std::byte* rows[kPanelRows];
  for (int64_t r = 0; r < kPanelRows; ++r) rows[r] = &stored[r * row_bytes(type, kColumns)];
  const TestArray<std::byte> packed(packed_bytes(type, kPanelRows, kColumns));
  pack_panel(type, rows, kColumns, packed.data());
  constexpr int64_t kRows = 3;
  add(multiply(kernels_, {type, kPanelRows, kColumns, packed.data()}, numbers(kRows * kColumns, 2).data(),
               kRows, kColumns));
}

// Two spans of one head: scores, softmax, sums, and the merge.
void Arithmetic::add_attention(const KvCodec& codec) {
  constexpr int32_t kHeadDim = 64, kBlocks = kSpanBlocks + 2;
  const KvTileShape keys = kv_tile_shape(codec, KvSide::kKeys, kHeadDim);
  const KvTileShape values = kv_tile_shape(codec, KvSide::kValues, kHeadDim);
  const int64_t block_bytes = keys.bytes + values.bytes;
  const TestArray<std::byte> memory(kBlocks * block_bytes);
  std::vector<BlockId> table;
  for (int32_t b = 0; b < kBlocks; ++b) {
    std::byte* const block = memory.data() + table.size() * static_cast<size_t>(block_bytes);
    const auto stream = static_cast<uint64_t>(2 * b + 10);
    kv_encode_block(keys, numbers(int64_t{kBlockSize} * kHeadDim, stream).data(), block);
    kv_encode_block(values, numbers(int64_t{kBlockSize} * kHeadDim, stream + 1).data(), block + keys.bytes);
    table.push_back({b});
  }
  const std::vector<float> query = numbers(kHeadDim, 3);
  const TestArray<float> state(attention_state_floats(kHeadDim));
  const TestArray<float> scratch(attention_scratch_floats(kHeadDim));
  for (const float soft_cap : {0.0F, 5.0F}) {
    const AttentionRow row{.visible = {query.data(), 7, kBlocks * kBlockSize - 9}, .state = state.data()};
    const AttentionTile tile{
        .keys = keys,
        .values = values,
        .values_offset = keys.bytes,
        .sequence = {.table = table.data(), .memory = memory.data(), .block_bytes = block_bytes},
        .soft_cap = soft_cap,
        .rows = {&row, 1}};
    clear_attention_state(state.data());
    kernels_.attend(tile, {0, 2}, {scratch.data()});
    std::vector<float> out(kHeadDim);
    kernels_.finish_attention(state.data(), kHeadDim, out.data());
    add(out);
  }
}

void Arithmetic::add_vectors() {
  constexpr int64_t kCount = 100;
  const std::vector<float> a = numbers(kCount, 4), b = numbers(kCount, 5), c = numbers(kCount, 6);
  std::vector<float> out(kCount);
  kernels_.rms_norm(a.data(), b.data(), 1e-5F, kCount, out.data());
  add(out);
  kernels_.layer_norm(a.data(), b.data(), c.data(), 1e-5F, kCount, out.data());
  add(out);
  kernels_.add(a.data(), b.data(), kCount, out.data());
  add(out);
  kernels_.silu_times(a.data(), b.data(), kCount, out.data());
  add(out);
  kernels_.gelu_times(a.data(), b.data(), kCount, out.data());
  add(out);
  kernels_.gelu(a.data(), kCount, out.data());
  add(out);
  kernels_.scale(0.3F, kCount, out.data());
  kernels_.soft_cap(0.7F, kCount, out.data());
  add(out);
  kernels_.rope_adjacent(b.data(), c.data(), kCount / 2, out.data());
  kernels_.rope_halves(b.data(), c.data(), kCount / 2, out.data());
  kv_hadamard(out.data(), 64);
  add(out);
}

void Arithmetic::expect_digest(const std::map<std::string_view, uint64_t>& digests) const {
  const auto stored = digests.find(kernels_.arithmetic);
  ASSERT_NE(stored, digests.end()) << kernels_.arithmetic;
  EXPECT_EQ(hash_bits(results_), stored->second) << kernels_.arithmetic;
}

TEST_P(Arithmetic, HasTheDigestOfItsName) {
  for (const TensorType type : kAllTensorTypes) {
    if (code_format(type).book == nullptr) add_product(type);
  }
  for (const KvCodec& codec : all_kv_codecs()) add_attention(codec);
  add_vectors();
  expect_digest(kDigests);
}

TEST_P(Arithmetic, OfBooksHasTheDigestOfItsName) {
  for (const TensorType type : kAllTensorTypes) {
    if (code_format(type).book != nullptr) add_product(type);
  }
  expect_digest(kBookDigests);
}

INSTANTIATE_TEST_SUITE_P(All, Arithmetic, testing::ValuesIn(all_test_kernels()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace cairn
