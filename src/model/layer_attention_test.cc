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

// Some rows of one sequence in a step.
struct Part {
  int32_t sequence = 0;
  int64_t position = 0;
  int32_t row_count = 1;
};

// Sequences whose first blocks are the same ones, in one layer of a cache. What a step's rows do not see is not in its
// block tables.
class Sequences final : public KvLayerGate {
 public:
  Sequences(const Case& c, int32_t count, int32_t shared_blocks = kSharedBlocks)
      : case_(c),
        layout_(kv_layer_layout(c.codec, c.codec, static_cast<int32_t>(c.shape.head_dim))),
        block_bytes_(c.shape.kv_head_count * layout_.head_bytes()),
        slot_bytes_(c.shape.kv_head_count * layout_.open_head_bytes),
        memory_(filled((kSharedBlocks + count * kBlocks) * block_bytes_)),
        slots_(filled(kBlocks * slot_bytes_)),
        work_(filled(
            (attention_scratch_floats(c.shape.head_dim) + 2 * attention_state_floats(c.shape.head_dim)) *
            int64_t{sizeof(float)})) {
    for (int32_t s = 0; s < count; ++s) {
      open_.push_back(filled(slot_bytes_));
      std::vector<BlockId>& table = tables_.emplace_back();
      for (int32_t b = 0; b < kBlocks; ++b) {
        table.push_back({b < shared_blocks ? b : kSharedBlocks + s * kBlocks + b});
      }
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

  // Of the next steps.
  void choose(const std::vector<Part>& parts) {
    in_step_.clear();
    cut_tables_.clear();
    for (const Part& part : parts) in_step_.push_back(cut_view(part));
  }

  // One step; the attention of its rows. Everything lies `shift` positions later in the sequences than the parts say.
  std::vector<float> run(const std::vector<Part>& parts, int thread_count, int64_t shift = 0) {
    const FloatMode mode;
    choose(parts);
    std::vector<BatchSequence> sequences;
    int32_t rows = 0;
    for (const Part& part : parts) {
      sequences.push_back({rows, part.row_count, part.position + shift});
      rows += part.row_count;
    }
    for (KvSequenceView& view : in_step_) view.first_block += shift / kBlockSize;
    ThreadPool threads(thread_count);
    LayerAttention attention(case_.shape, kernels(), threads,
                             {.rows = rows, .sequences = std::ssize(parts), .context = kContext + shift});
    const AttentionBuffers buffers(case_.shape, rows);
    for (size_t i = 0; i < parts.size(); ++i) {
      for (int32_t row = 0; row < parts[i].row_count; ++row) {
        fill(buffers.rows(), sequences[i].first_row + row,
             seed_of(parts[i].sequence, parts[i].position + row));
      }
    }
    attention.begin_step({.sequences = sequences});
    EXPECT_TRUE(attention.run(*this, 0, buffers.rows()).ok());
    const Rows& attended = buffers.rows().attended;
    return {attended.data, attended.data + attended.floats()};
  }

  // The same rows of each of sequences [first, first + count).
  std::vector<float> step(int32_t first, int32_t count, int32_t position, int32_t row_count,
                          int thread_count) {
    std::vector<Part> parts;
    for (int32_t s = first; s < first + count; ++s) parts.push_back({s, position, row_count});
    return run(parts, thread_count);
  }

  // One row as attention is defined: the sinks, then each span alone, merged in this order. Only where rows are not
  // transformed, and are stored at once in their final form.
  [[nodiscard]] std::vector<float> by_definition(int32_t sequence, int64_t position) const {
    const FloatMode mode;
    const AttentionShape& shape = case_.shape;
    const Visibility& visibility = shape.layers.front();
    const AttentionBuffers buffers(shape, 1);
    fill(buffers.rows(), 0, seed_of(sequence, position));
    std::vector<float> out(static_cast<size_t>(shape.query_width()));
    for (int64_t head = 0; head < shape.head_count; ++head) {
      std::vector<VisibleRange> ranges;
      const auto add = [&](const Rows& queries, const Visibility::Range& seen) {
        float* const query = queries.split(0, shape.head_dim).row(head);
        kernels().scale(shape.scale, shape.head_dim, query);
        for (int64_t at = seen.begin; at < seen.end;) {
          const int64_t end = std::min(seen.end, (at / kSpanSize + 1) * kSpanSize);
          ranges.push_back({query, at, end});
          at = end;
        }
      };
      if (visibility.sinks > 0) add(buffers.rows().sink_query, visibility.sink_range(position));
      add(buffers.rows().query, visibility.recent_range(position));
      reduce(sequence, head, ranges, out.data() + head * shape.head_dim);
    }
    return out;
  }

  static void fill(const QkvRows& rows, int64_t row, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    for (const Rows* kind : {&rows.query, &rows.key, &rows.value, &rows.sink_query}) {
      if (kind->count == 0) continue;
      for (int64_t i = 0; i < kind->width; ++i) kind->row(row)[i] = normal(random);
    }
  }

  static uint64_t seed_of(int32_t sequence, int64_t position) {
    return static_cast<uint64_t>(sequence * 10000 + position);
  }
  static const Kernels& kernels() { return kernels_for(available_isas().back()); }

 private:
  static constexpr int32_t kBlocks = kContext / kBlockSize;

  KvSequenceView cut_view(const Part& part) {
    const Visibility& visibility = case_.shape.layers.front();
    const auto s = static_cast<size_t>(part.sequence);
    KvSequenceView view{.memory = memory_.data(), .block_bytes = block_bytes_, .open = open_[s].data()};
    view.first_block = std::min(visibility.recent_range(part.position).begin, part.position) / kBlockSize;
    view.sink_blocks = std::min((visibility.sinks + kBlockSize - 1) / kBlockSize, view.first_block);
    std::vector<BlockId>& table = cut_tables_.emplace_back();
    for (size_t b = 0; b < tables_[s].size(); ++b) {
      if (view.has(static_cast<int64_t>(b))) table.push_back(tables_[s][b]);
    }
    view.table = table.data();
    return view;
  }

  void reduce(int32_t sequence, int64_t head, const std::vector<VisibleRange>& ranges, float* out) const {
    const int64_t dim = case_.shape.head_dim;
    const int64_t kv_head = head / case_.shape.heads_of_kv_head();
    float* const merged = reinterpret_cast<float*>(work_.data());
    float* const alone = merged + attention_state_floats(dim);
    clear_attention_state(merged);
    for (const VisibleRange& range : ranges) {
      const AttentionRow row{range, alone};
      const AttentionTile tile{.keys = layout_.keys,
                               .values = layout_.values,
                               .keys_offset = layout_.keys_offset(kv_head),
                               .values_offset = layout_.values_offset(kv_head),
                               .sequence = {.table = tables_[static_cast<size_t>(sequence)].data(),
                                            .memory = memory_.data(),
                                            .block_bytes = block_bytes_},
                               .soft_cap = case_.shape.soft_cap,
                               .rows = {&row, 1}};
      clear_attention_state(alone);
      const int64_t span = range.begin / kSpanSize;
      kernels().attend(tile, {span, span + 1}, {alone + attention_state_floats(dim)});
      kernels().merge_attention(alone, dim, merged);
    }
    kernels().finish_attention(merged, dim, out);
  }

  static PageMemory filled(int64_t bytes) {
    PageMemory memory = PageMemory::allocate(static_cast<uint64_t>(std::max<int64_t>(bytes, 1))).value();
    std::fill_n(memory.data(), memory.bytes(), std::byte{0xFF});  // NaN: what is not stored must not be read
    return memory;
  }

  const Case& case_;
  KvLayerLayout layout_;
  int64_t block_bytes_, slot_bytes_;
  PageMemory memory_, slots_, work_;
  std::vector<PageMemory> open_;
  std::deque<std::vector<BlockId>> tables_, cut_tables_;
  std::vector<KvSequenceView> in_step_;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const KvCodec& codec : {KvCodec{KvFormat::kF32}, KvCodec{}, KvCodec{KvFormat::kInt4, KvAxis::kChannel},
                               KvCodec{KvFormat::kInt8, KvAxis::kToken, KvTransform::kHadamard}}) {
    for (const Visibility& visibility : {Visibility{},
                                         {.window = 40},
                                         {.window = 300},
                                         {.window = 354},
                                         {.window = 40, .sinks = 256},
                                         {.window = 354, .sinks = 4},
                                         {.window = 560, .sinks = 70}}) {
      // One KV head: fewer tiles than threads; 140 query heads: more than a tile takes.
      for (const auto& [heads, kv_heads] : {std::pair{3, 1}, {4, 2}, {140, 1}}) {
        if (heads > kAttentionRows && visibility.window > 300) continue;  // slow, and nothing new
        all.push_back({.shape = {.head_count = heads,
                                 .kv_head_count = kv_heads,
                                 .head_dim = 16,
                                 .scale = 0.25F,
                                 .soft_cap = visibility.window == 40 ? 5.0F : 0.0F,
                                 .layers = {visibility}},
                       .codec = codec});
      }
    }
  }
  return all;
}

template <typename Predicate>
std::vector<size_t> cases_where(const Predicate& predicate) {
  const std::vector<Case> all = cases();
  std::vector<size_t> chosen;
  for (size_t i = 0; i < all.size(); ++i) {
    if (predicate(all[i])) chosen.push_back(i);
  }
  return chosen;
}
bool stores_rows_as_they_are(const Case& c) {
  return c.codec.transform == KvTransform::kNone && !kv_seals_whole_block(c.codec);
}
bool loses_its_beginning(const Case& c) {
  const Visibility& visibility = c.shape.layers.front();
  return !visibility.sees_all() &&
         visibility.recent_range(kShared).begin / kBlockSize * kBlockSize >= visibility.sinks;
}

class LayerAttentionCuts : public testing::TestWithParam<size_t> {};
class LayerAttentionRows : public testing::TestWithParam<size_t> {};
class LayerAttentionFarRows : public testing::TestWithParam<size_t> {};

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

TEST_P(LayerAttentionRows, AreWhatAttentionIsDefinedAs) {
  const Case c = cases()[GetParam()];
  Sequences sequences(c, 1);
  std::vector<float> all = sequences.step(0, 1, 0, kShared, 2);
  const auto width = static_cast<size_t>(c.shape.query_width());
  for (const int64_t position : {0,   1,   3,   4,   31,  32,  39,  40,  41,  69,  70,
                                 255, 256, 257, 294, 295, 296, 356, 357, 358, 359, kShared - 1}) {
    const auto row = all.begin() + position * static_cast<int64_t>(width);
    ASSERT_EQ(sequences.by_definition(0, position),
              std::vector<float>(row, row + static_cast<int64_t>(width)))
        << position;
  }
}

// Sequences that decode together at positions of their own, so that they begin to see in different blocks and spans.
TEST_P(LayerAttentionCuts, ChangeNoBitWherePositionsDiffer) {
  const Case c = cases()[GetParam()];
  Sequences sequences(c, 4);
  sequences.step(0, 1, 0, kShared, 1);
  std::vector<Part> parts{{0, kShared + 5}, {1, kShared + 40}, {2, kShared}, {3, kShared + 37}};
  for (const Part& part : parts) {
    if (part.position > kShared) {
      sequences.run({{part.sequence, kShared, static_cast<int32_t>(part.position - kShared)}}, 1);
    }
  }
  for (int order = 0; order < 4; ++order) {
    std::vector<float> alone;
    for (const Part& part : parts) {
      const std::vector<float> one = sequences.run({part}, 1);
      alone.insert(alone.end(), one.begin(), one.end());
    }
    for (const float x : alone) ASSERT_TRUE(std::isfinite(x));
    for (const int thread_count : {1, 2}) ASSERT_EQ(sequences.run(parts, thread_count), alone) << order;
    std::ranges::rotate(parts, parts.begin() + 1);
    if (order == 1) std::ranges::reverse(parts);
  }
}

// Once a window is full, a row depends on what it sees and on where spans begin, not on how far it has come.
TEST_P(LayerAttentionFarRows, AreTheSameAsNearTheBeginning) {
  const Case c = cases()[GetParam()];
  Sequences sequences(c, 2);
  sequences.step(0, 1, 0, kShared, 1);
  const std::vector<Part> parts{{0, kShared}, {1, kShared, 33}};
  const std::vector<float> near = sequences.run(parts, 1);
  const std::vector<float> near_alone = sequences.run({parts[0]}, 1);
  for (const int64_t shift : {int64_t{1} << 31, (int64_t{1} << 33) + kSpanSize}) {
    EXPECT_EQ(sequences.run(parts, 2, shift), near) << shift;
    EXPECT_EQ(sequences.run({parts[0]}, 5, shift), near_alone) << shift;
  }
}

INSTANTIATE_TEST_SUITE_P(All, LayerAttentionRows, testing::ValuesIn(cases_where(stores_rows_as_they_are)));
INSTANTIATE_TEST_SUITE_P(All, LayerAttentionFarRows, testing::ValuesIn(cases_where(loses_its_beginning)));
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
    gate.group(group).choose({{0, kShared}, {1, kShared}, {2, kShared}});
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
