// Every way in which a step's attention is cut gives the bits of each sequence alone on one thread.
#include "model/layer_attention.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <deque>
#include <random>

#include "base/float_mode.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

constexpr int64_t kContext = 3 * kSpanSize;
constexpr int32_t kSharedBlocks = 2 * kSpanBlocks + 3;
constexpr int32_t kShared = kSharedBlocks * kBlockSize;

struct Case {
  AttentionShape shape;
  KvCodec codec;
};

// Sequences whose first blocks are the same ones, in one layer of a cache.
class Sequences final : public KvLayerGate {
 public:
  Sequences(const Case& c, int32_t count, int32_t shared_blocks = kSharedBlocks)
      : case_(c),
        layout_(kv_layer_layout(c.codec, c.codec, static_cast<int32_t>(c.shape.head_dim))),
        block_bytes_(c.shape.kv_head_count * layout_.head_bytes()),
        slot_bytes_(c.shape.kv_head_count * layout_.open_head_bytes),
        memory_(filled((kSharedBlocks + count * kBlocks) * block_bytes_)),
        slots_(filled(kBlocks * slot_bytes_)) {
    for (int32_t s = 0; s < count; ++s) {
      open_.push_back(filled(slot_bytes_));
      std::vector<BlockId>& table = tables_.emplace_back();
      for (int32_t b = 0; b < kBlocks; ++b) {
        table.push_back({b < shared_blocks ? b : kSharedBlocks + s * kBlocks + b});
      }
      views_.push_back({.table = table.data(),
                        .memory = memory_.data(),
                        .block_bytes = block_bytes_,
                        .open = open_.back().data()});
    }
  }

  [[nodiscard]] int64_t layer_count() const override { return 1; }
  Result<KvLayerView> open(int64_t) override {
    return KvLayerView{.layout = &layout_,
                       .kv_head_count = static_cast<int32_t>(case_.shape.kv_head_count),
                       .head_dim = static_cast<int32_t>(case_.shape.head_dim),
                       .visibility = case_.shape.layers.front(),
                       .sequences = in_step_,
                       .step_slots = slots_.data(),
                       .step_slot_count = kBlocks,
                       .step_slot_bytes = slot_bytes_};
  }
  void close(int64_t) override {}

  // The sequences of the next steps.
  void choose(int32_t first, int32_t count) {
    in_step_ = std::span(views_).subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }

  // One step of `row_count` rows from `position` on for each of sequences [first, first + count); its attention.
  std::vector<float> step(int32_t first, int32_t count, int32_t position, int32_t row_count,
                          int thread_count) {
    const FloatMode mode;
    choose(first, count);
    const int64_t rows = int64_t{count} * row_count;
    ThreadPool threads(thread_count);
    LayerAttention attention(case_.shape, kernels_for(available_isas().back()), threads,
                             {.rows = rows, .sequences = count, .context = kContext});
    std::vector<BatchSequence> sequences;
    sequences.reserve(static_cast<size_t>(count));
    for (int32_t s = 0; s < count; ++s) sequences.push_back({s * row_count, row_count, position});
    const AttentionBuffers buffers(case_.shape, rows);
    for (int64_t row = 0; row < rows; ++row) {
      const auto seed = static_cast<uint64_t>((first + row / row_count) * 10000 + position + row % row_count);
      fill(buffers.rows(), row, seed);
    }
    attention.begin_step({.sequences = sequences});
    EXPECT_TRUE(attention.run(*this, 0, buffers.rows()).ok());
    const Rows& attended = buffers.rows().attended;
    return {attended.data, attended.data + attended.floats()};
  }

  static void fill(const QkvRows& rows, int64_t row, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    for (const Rows* kind : {&rows.query, &rows.key, &rows.value}) {
      for (int64_t i = 0; i < kind->width; ++i) kind->row(row)[i] = normal(random);
    }
  }

 private:
  static constexpr int32_t kBlocks = kContext / kBlockSize;

  static PageMemory filled(int64_t bytes) {
    PageMemory memory = PageMemory::allocate(static_cast<uint64_t>(std::max<int64_t>(bytes, 1))).value();
    std::fill_n(memory.data(), memory.bytes(), std::byte{0xFF});  // NaN: what is not stored must not be read
    return memory;
  }

  const Case& case_;
  KvLayerLayout layout_;
  int64_t block_bytes_, slot_bytes_;
  PageMemory memory_, slots_;
  std::vector<PageMemory> open_;
  std::deque<std::vector<BlockId>> tables_;
  std::vector<KvSequenceView> views_;
  std::span<const KvSequenceView> in_step_;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const KvCodec& codec : {KvCodec{KvFormat::kF32}, KvCodec{}, KvCodec{KvFormat::kInt4, KvAxis::kChannel},
                               KvCodec{KvFormat::kInt8, KvAxis::kToken, KvTransform::kHadamard}}) {
    for (const int64_t window : {0, 40, 300}) {
      // One KV head: fewer tiles than threads; 140 query heads: more than a tile takes.
      for (const auto& [heads, kv_heads] : {std::pair{3, 1}, {4, 2}, {140, 1}}) {
        all.push_back({.shape = {.head_count = heads,
                                 .kv_head_count = kv_heads,
                                 .head_dim = 16,
                                 .scale = 0.25F,
                                 .soft_cap = window == 40 ? 5.0F : 0.0F,
                                 .layers = {{.window = window}}},
                       .codec = codec});
      }
    }
  }
  return all;
}

class LayerAttentionCuts : public testing::TestWithParam<size_t> {};

TEST_P(LayerAttentionCuts, ChangeNoBit) {
  const Case c = cases()[GetParam()];
  constexpr int32_t kSequences = 3, kDecoded = 2;
  Sequences sequences(c, kSequences);
  const std::vector<float> prefix = sequences.step(0, 1, 0, kShared, 1);
  for (const float x : prefix) ASSERT_TRUE(std::isfinite(x));
  EXPECT_EQ(sequences.step(0, 1, 0, kShared, 3), prefix);
  for (int32_t position = kShared; position < kShared + kDecoded; ++position) {
    std::vector<float> alone;
    for (int32_t s = 0; s < kSequences; ++s) {
      const std::vector<float> one = sequences.step(s, 1, position, 1, 1);
      for (const int thread_count : {2, 5}) EXPECT_EQ(sequences.step(s, 1, position, 1, thread_count), one);
      alone.insert(alone.end(), one.begin(), one.end());
    }
    for (const float x : alone) ASSERT_TRUE(std::isfinite(x));
    for (const int thread_count : {1, 2}) {
      EXPECT_EQ(sequences.step(0, kSequences, position, 1, thread_count), alone)
          << thread_count << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LayerAttentionCuts, testing::Range<size_t>(0, cases().size()));

// Layers in two groups: in the first, sequences share blocks; in the second they do not.
class TwoGroups final : public KvLayerGate {
 public:
  explicit TwoGroups(const Case& c) : groups_{{{c, kCount}, {c, kCount, 0}}} {
    groups_[0].step(0, 1, 0, kShared, 1);
    for (int32_t s = 0; s < kCount; ++s) groups_[1].step(s, 1, 0, kShared, 1);
  }

  static constexpr int32_t kCount = 3;
  static constexpr std::array<size_t, 6> kGroups{0, 1, 0, 1, 1, 0};  // of each layer
  [[nodiscard]] int64_t layer_count() const override { return std::ssize(kGroups); }
  Result<KvLayerView> open(int64_t layer) override {
    const size_t group = kGroups[static_cast<size_t>(layer)];
    CAIRN_ASSIGN_OR_RETURN(KvLayerView view, groups_[group].open(0));
    view.layer_group = static_cast<int32_t>(group);
    return view;
  }
  void close(int64_t) override {}
  [[nodiscard]] Sequences& group(size_t group) { return groups_[group]; }

 private:
  std::array<Sequences, 2> groups_;
};

// Which blocks are equal is asked of the layer's own group, in whatever order groups follow one another.
TEST(LayerAttention, SharesSpansOnlyWithinTheLayersGroup) {
  const Case c = cases().front();
  AttentionShape shape = c.shape;
  shape.layers.assign(TwoGroups::kGroups.size(), c.shape.layers.front());
  TwoGroups gate(c);
  std::array<std::vector<float>, 2> alone;
  for (const size_t group : {0, 1}) {
    for (int32_t s = 0; s < TwoGroups::kCount; ++s) {
      const std::vector<float> one = gate.group(group).step(s, 1, kShared, 1, 1);
      alone[group].insert(alone[group].end(), one.begin(), one.end());
    }
    gate.group(group).choose(0, TwoGroups::kCount);
  }
  ASSERT_NE(alone[0], alone[1]);
  const FloatMode mode;
  ThreadPool threads(1);
  LayerAttention attention(shape, kernels_for(available_isas().back()), threads,
                           {.rows = TwoGroups::kCount, .sequences = TwoGroups::kCount, .context = kContext});
  const std::array<BatchSequence, 3> sequences{{{0, 1, kShared}, {1, 1, kShared}, {2, 1, kShared}}};
  attention.begin_step({.sequences = sequences});
  for (int64_t layer = 0; layer < gate.layer_count(); ++layer) {
    const AttentionBuffers buffers(shape, TwoGroups::kCount);
    for (int32_t s = 0; s < TwoGroups::kCount; ++s) {
      Sequences::fill(buffers.rows(), s, static_cast<uint64_t>(s) * 10000 + kShared);
    }
    ASSERT_TRUE(attention.run(gate, layer, buffers.rows()).ok());
    const Rows& attended = buffers.rows().attended;
    const size_t group = TwoGroups::kGroups[static_cast<size_t>(layer)];
    EXPECT_EQ(std::vector<float>(attended.data, attended.data + attended.floats()), alone[group]) << layer;
  }
}

class FailingGate final : public KvLayerGate {
 public:
  [[nodiscard]] int64_t layer_count() const override { return 1; }
  Result<KvLayerView> open(int64_t) override { return invalid_data("a block is damaged"); }
  void close(int64_t) override { FAIL() << "what did not open is not closed"; }
};

TEST(LayerAttention, FailsWhereTheGateDoes) {
  const Case c = cases().front();
  ThreadPool threads(1);
  LayerAttention attention(c.shape, kernels_for(Isa::kScalar), threads, {.context = 8});
  const AttentionBuffers buffers(c.shape, 1);
  const BatchSequence sequence{0, 1, 0};
  attention.begin_step({.sequences = {&sequence, 1}});
  FailingGate gate;
  EXPECT_EQ(attention.run(gate, 0, buffers.rows()).code(), StatusCode::kInvalidData);
}

}  // namespace
}  // namespace cairn
