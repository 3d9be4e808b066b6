#include "model/transformer_testing.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/memory.h"
#include "model/attention_shape.h"

namespace cairn {

namespace {

PageMemory filled(int64_t bytes) {
  PageMemory memory = PageMemory::allocate(static_cast<uint64_t>(std::max<int64_t>(bytes, 1))).value();
  // NaN everywhere: what is not stored must not be read.
  std::fill_n(memory.data(), memory.bytes(), std::byte{0xFF});
  return memory;
}

// One layer of some texts: each has room for its own blocks, and may have the first ones of text 0 instead.
class TestLayer {
 public:
  TestLayer(const Config& config, const TestRun& run, size_t layer, int64_t texts, int64_t blocks)
      : layout_(kv_layer_layout(run.codecs.keys, run.codecs.values, static_cast<int32_t>(config.head_dim))),
        visibility_(run.visibility[layer]),
        group_(static_cast<int32_t>(std::ranges::find(run.visibility, visibility_) - run.visibility.begin())),
        blocks_(blocks),
        block_bytes_(config.kv_head_count * layout_.head_bytes()),
        slot_bytes_(config.kv_head_count * layout_.open_head_bytes),
        memory_(filled(texts * blocks * block_bytes_)),
        open_(filled(texts * slot_bytes_)),
        tables_(static_cast<size_t>(texts)) {}

  void share(int64_t blocks) { shared_ = blocks; }
  [[nodiscard]] int64_t slot_bytes() const { return slot_bytes_; }

  // The view of a text whose next query stands at `position`.
  [[nodiscard]] KvSequenceView view(int64_t text, int64_t position) {
    KvSequenceView view{.memory = memory_.data(), .block_bytes = block_bytes_};
    view.first_block = std::min(visibility_.recent_range(position).begin, position) / kBlockSize;
    view.sink_blocks = std::min((visibility_.sinks + kBlockSize - 1) / kBlockSize, view.first_block);
    view.open = open_.data() + text * slot_bytes_;
    std::vector<BlockId>& table = tables_[static_cast<size_t>(text)];
    table.clear();
    for (int64_t b = 0; b < blocks_; ++b) {
      if (view.has(b)) {
        table.push_back(id(text, b));
      } else if (shared_ == 0) {
        std::fill_n(memory_.data() + id(text, b).value * block_bytes_, block_bytes_, std::byte{0xFF});
      }
    }
    view.table = table.data();
    return view;
  }
  [[nodiscard]] KvLayerView open(const Config& config, std::span<const KvSequenceView> sequences,
                                 const PageMemory& slots, int64_t slot_count) const {
    return {.layout = &layout_,
            .kv_head_count = static_cast<int32_t>(config.kv_head_count),
            .head_dim = static_cast<int32_t>(config.head_dim),
            .visibility = visibility_,
            .layer_group = group_,
            .sequences = sequences,
            .step_slots = slots.data(),
            .step_slot_count = slot_count,
            .step_slot_bytes = slot_bytes_};
  }

 private:
  [[nodiscard]] BlockId id(int64_t text, int64_t block) const {
    return {static_cast<int32_t>(block < shared_ ? block : text * blocks_ + block)};
  }

  KvLayerLayout layout_;
  Visibility visibility_;
  int32_t group_;  // layers that see the same
  int64_t blocks_;
  int64_t shared_ = 0;
  int64_t block_bytes_, slot_bytes_;
  PageMemory memory_, open_;
  std::vector<std::vector<BlockId>> tables_;
};

class TestGate final : public KvLayerGate {
 public:
  TestGate(const Config& config, const TestRun& run, int64_t texts, int64_t context)
      : config_(config),
        slot_count_(texts * blocks_for(context)),
        lengths_(static_cast<size_t>(texts)),
        slots_(
            filled(slot_count_ * config.kv_head_count *
                   kv_layer_layout(run.codecs.keys, run.codecs.values, static_cast<int32_t>(config.head_dim))
                       .open_head_bytes)) {
    for (size_t layer = 0; layer < run.visibility.size(); ++layer) {
      layers_.emplace_back(config, run, layer, texts, blocks_for(context));
    }
  }

  [[nodiscard]] int64_t layer_count() const override { return std::ssize(layers_); }
  Result<KvLayerView> open(int64_t index) override {
    TestLayer& layer = layers_[static_cast<size_t>(index)];
    views_.clear();
    for (const int64_t text : in_step_) {
      views_.push_back(layer.view(text, lengths_[static_cast<size_t>(text)]));
    }
    return layer.open(config_, views_, slots_, slot_count_);
  }
  void close(int64_t) override {}

  void choose(std::vector<int64_t> texts) { in_step_ = std::move(texts); }
  void grow(int64_t text, int64_t rows) { lengths_[static_cast<size_t>(text)] += rows; }
  [[nodiscard]] int64_t length(int64_t text) const { return lengths_[static_cast<size_t>(text)]; }
  // All go on behind the blocks of text 0.
  void share() {
    lengths_.assign(lengths_.size(), lengths_.front());
    for (TestLayer& layer : layers_) layer.share(lengths_.front() / kBlockSize);
  }

 private:
  static int64_t blocks_for(int64_t positions) { return (positions + kBlockSize - 1) / kBlockSize; }

  const Config& config_;
  int64_t slot_count_;
  std::vector<int64_t> lengths_;  // of each text
  PageMemory slots_;
  std::deque<TestLayer> layers_;
  std::vector<int64_t> in_step_;
  std::vector<KvSequenceView> views_;
};

// Runs the texts [0, texts.size()) of a gate, step by step.
class Texts {
 public:
  Texts(std::shared_ptr<const Model> model, ThreadPool& threads,
        const std::vector<std::vector<TokenId>>& texts, TestRun run)
      : texts_(texts),
        run_(complete(*model, std::move(run))),
        vocab_(model->config().vocab_size),
        gate_(model->config(), run_, std::ssize(texts), longest()),
        transformer_(std::move(model), threads,
                     {.rows = most_rows(),
                      .logit_rows = most_rows(),
                      .sequences = std::ssize(texts),
                      .context = longest()},
                     run_.visibility),
        logits_(texts.size()) {}

  // Of the first `count` texts, up to `end` of each.
  void run_to(int64_t count, int64_t end) {
    while (step(count, end)) {
    }
  }
  void share() { gate_.share(); }
  void forget_logits() { logits_.assign(logits_.size(), {}); }
  std::vector<std::vector<float>> take_logits() { return std::move(logits_); }

 private:
  static TestRun complete(const Model& model, TestRun run) {
    if (run.visibility.empty()) run.visibility = own_windows(model.config());
    return run;
  }
  [[nodiscard]] int64_t longest() const {
    size_t most = 0;
    for (const auto& text : texts_) most = std::max(most, text.size());
    return static_cast<int64_t>(most);
  }
  [[nodiscard]] int64_t most_rows() const { return std::min(run_.chunk, longest()) * std::ssize(texts_); }

  // False where nothing is left to run.
  bool step(int64_t count, int64_t end) {
    std::vector<int64_t> chosen;
    std::vector<BatchSequence> sequences;
    std::vector<TokenId> tokens;
    for (int64_t text = 0; text < count; ++text) {
      const std::vector<TokenId>& all = texts_[static_cast<size_t>(text)];
      const int64_t first = gate_.length(text);
      const int64_t rows = std::min(run_.chunk, std::min(end, std::ssize(all)) - first);
      if (rows <= 0) continue;
      chosen.push_back(text);
      sequences.push_back({static_cast<int32_t>(tokens.size()), static_cast<int32_t>(rows), first});
      tokens.insert(tokens.end(), all.begin() + first, all.begin() + first + rows);
    }
    if (chosen.empty()) return false;
    gate_.choose(chosen);
    std::vector<int32_t> wanted(tokens.size());
    std::iota(wanted.begin(), wanted.end(), 0);
    std::vector<float> logits(tokens.size() * static_cast<size_t>(vocab_));
    CHECK(transformer_.forward({tokens, sequences, wanted}, gate_, logits).ok());
    for (size_t i = 0; i < chosen.size(); ++i) {
      std::vector<float>& to = logits_[static_cast<size_t>(chosen[i])];
      const auto from = logits.begin() + sequences[i].first_row * vocab_;
      to.insert(to.end(), from, from + sequences[i].row_count * vocab_);
      gate_.grow(chosen[i], sequences[i].row_count);
    }
    return true;
  }

  const std::vector<std::vector<TokenId>>& texts_;
  TestRun run_;
  int64_t vocab_;
  TestGate gate_;
  Transformer transformer_;
  std::vector<std::vector<float>> logits_;
};

}  // namespace

std::vector<float> forward_all(std::shared_ptr<const Model> model, ThreadPool& threads,
                               const std::vector<TokenId>& tokens, const TestRun& run) {
  const std::vector<std::vector<TokenId>> texts{tokens};
  Texts running(std::move(model), threads, texts, run);
  running.run_to(1, std::ssize(tokens));
  return running.take_logits().front();
}

std::vector<std::vector<float>> forward_together(std::shared_ptr<const Model> model, ThreadPool& threads,
                                                 const std::vector<std::vector<TokenId>>& texts,
                                                 int64_t shared, const TestRun& run) {
  CHECK(shared % kBlockSize == 0);
  Texts running(std::move(model), threads, texts, run);
  running.run_to(1, shared);
  running.share();
  running.forget_logits();
  running.run_to(std::ssize(texts), std::numeric_limits<int64_t>::max());
  return running.take_logits();
}

}  // namespace cairn
