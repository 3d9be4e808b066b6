#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/kernel_testing.h"

namespace cairn {
namespace {

// One KV head of a sequence of `length` positions, and queries for all of them.
struct Sequence {
  Sequence(KvType type_in, int32_t head_dim_in, int32_t length_in, uint64_t seed)
      : type(type_in),
        head_dim(head_dim_in),
        length(length_in),
        tile_bytes(kv_element_bytes(type_in) * head_dim_in * kBlockSize),
        memory((length_in / kBlockSize + 1) * 2 * tile_bytes),
        query(random_floats(int64_t{length_in} * head_dim_in, seed, 0.7F)),
        key(random_floats(int64_t{length_in} * head_dim_in, seed + 1)),
        value(random_floats(int64_t{length_in} * head_dim_in, seed + 2)) {
    std::memset(memory.data(), 0xFF,
                static_cast<size_t>((length / kBlockSize + 1) * 2 * tile_bytes));  // NaNs
    for (int32_t b = 0; b <= length / kBlockSize; ++b) blocks.push_back(memory.data() + b * 2 * tile_bytes);
    for (int32_t t = 0; t < length; ++t) {
      std::byte* block = blocks[static_cast<size_t>(t / kBlockSize)];
      const KvSlot slot{type, head_dim, t % kBlockSize, block, block + tile_bytes};
      kernels_for(Isa::kScalar).store_kv(slot, key.data() + t * head_dim, value.data() + t * head_dim);
    }
  }

  // Rows [first, first + count) as one tile.
  void attend(const Kernels& kernels, int32_t first, int32_t count, int32_t window, float soft_cap,
              float* out) const {
    AttentionTile tile{.type = type, .head_dim = head_dim, .row_count = count, .soft_cap = soft_cap};
    tile.blocks = blocks.data();
    tile.values_offset = tile_bytes;
    for (int32_t i = 0; i < count; ++i) {
      const int32_t t = first + i;
      tile.query[i] = query.data() + t * head_dim;
      tile.output[i] = out + t * head_dim;
      tile.begin[i] = window == 0 ? 0 : std::max(0, t - window + 1);
      tile.end[i] = t + 1;
    }
    const TestArray<float> scratch(attention_scratch_floats(head_dim));
    kernels.attend(tile, attention_scratch(scratch.data()));
  }

  [[nodiscard]] std::vector<float> attend_all(const Kernels& kernels, int32_t rows, int32_t window,
                                              float soft_cap) const {
    std::vector<float> out(static_cast<size_t>(length * head_dim));
    for (int32_t t = 0; t < length; t += rows)
      attend(kernels, t, std::min(rows, length - t), window, soft_cap, out.data());
    return out;
  }

  KvType type;
  int32_t head_dim;
  int32_t length;
  int64_t tile_bytes;
  TestArray<std::byte> memory;
  std::vector<float> query, key, value;
  std::vector<std::byte*> blocks;
};

class Attention : public testing::TestWithParam<std::tuple<Isa, KvType>> {};

TEST_P(Attention, HasTheReferencesBitsHoweverRowsAreCut) {
  const auto [isa, type] = GetParam();
  struct Mask {
    int32_t window;
    float soft_cap;
  };
  for (const int32_t head_dim : {12, 24, 64}) {
    const Sequence sequence(type, head_dim, 2 * kSpanSize + 18, 11);
    for (const auto& [window, soft_cap] : {Mask{0, 0}, Mask{8, 0}, Mask{300, 3}}) {
      const std::vector<float> truth = sequence.attend_all(kernels_for(Isa::kScalar), 1, window, soft_cap);
      for (const int32_t rows : {1, 2, 7, 16}) {
        const std::vector<float> out = sequence.attend_all(kernels_for(isa), rows, window, soft_cap);
        ASSERT_EQ(std::memcmp(out.data(), truth.data(), out.size() * sizeof(float)), 0)
            << "head_dim " << head_dim << ", window " << window << ", " << rows << " rows";
      }
    }
  }
}

TEST_P(Attention, IsNearSoftmaxInDouble) {
  const auto [isa, type] = GetParam();
  const Sequence sequence(KvType::kF32, 20, 300, 21);
  const std::vector<float> out = sequence.attend_all(kernels_for(isa), 16, 0, 0);
  for (int32_t t = 0; t < sequence.length; t += 37) {
    std::vector<double> p;
    double total = 0;
    for (int32_t j = 0; j <= t; ++j) {
      double score = 0;
      for (int32_t d = 0; d < 20; ++d) score += double{sequence.query[t * 20 + d]} * sequence.key[j * 20 + d];
      p.push_back(std::exp(score));
      total += p.back();
    }
    for (int32_t d = 0; d < 20; ++d) {
      double exact = 0;
      for (int32_t j = 0; j <= t; ++j)
        exact += p[static_cast<size_t>(j)] / total * sequence.value[j * 20 + d];
      EXPECT_NEAR(out[t * 20 + d], exact, 3e-6);
    }
  }
}

std::string type_name(KvType type) {
  return type == KvType::kF32 ? "f32" : type == KvType::kF16 ? "f16" : "bf16";
}

INSTANTIATE_TEST_SUITE_P(All, Attention,
                         testing::Combine(testing::ValuesIn(available_isas()),
                                          testing::Values(KvType::kF32, KvType::kF16, KvType::kBF16)),
                         [](const auto& test) {
                           return std::string(isa_name(std::get<0>(test.param))) + "_" +
                                  type_name(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace cairn
