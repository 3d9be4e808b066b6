#include "model/transformer_testing.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/memory.h"
#include "model/attention_shape.h"

namespace cairn {

namespace {

// One layer after the other, as the cache's geometry does it.
std::vector<KvLayerLayout> layouts_of(const Config& config, const TestCodecs& codecs) {
  const KvLayerLayout layer =
      kv_layer_layout(codecs.keys, codecs.values, static_cast<int32_t>(config.head_dim));
  std::vector<KvLayerLayout> layers(static_cast<size_t>(config.layer_count), layer);
  for (int64_t i = 0; i < config.layer_count; ++i) {
    layers[static_cast<size_t>(i)].offset = i * config.kv_head_count * layer.head_bytes();
    layers[static_cast<size_t>(i)].open_offset = i * config.kv_head_count * layer.open_head_bytes;
  }
  return layers;
}

// Every layer is there at once.
class TestGate final : public KvLayerGate {
 public:
  TestGate(std::span<const KvLayerLayout> layers, std::span<const Visibility> visibility,
           const KvLayerView& view)
      : layers_(layers), visibility_(visibility), view_(view) {}
  [[nodiscard]] int64_t layer_count() const override { return std::ssize(layers_); }
  Result<KvLayerView> open(int64_t layer) override {
    KvLayerView view = view_;
    view.layout = &layers_[static_cast<size_t>(layer)];
    view.visibility = visibility_[static_cast<size_t>(layer)];
    return view;
  }
  void close(int64_t) override {}

 private:
  std::span<const KvLayerLayout> layers_;
  std::span<const Visibility> visibility_;
  KvLayerView view_;
};

PageMemory filled(int64_t bytes) {
  PageMemory memory = PageMemory::allocate(static_cast<uint64_t>(bytes)).value();
  // NaN everywhere: what is not stored must not be read.
  std::fill_n(memory.data(), memory.bytes(), std::byte{0xFF});
  return memory;
}

}  // namespace

std::vector<float> forward_all(std::shared_ptr<const Model> model, ThreadPool& threads,
                               const std::vector<TokenId>& tokens, const TestCodecs& codecs, int64_t chunk) {
  const Config& config = model->config();
  const auto count = static_cast<int64_t>(tokens.size());
  const std::vector<KvLayerLayout> layers = layouts_of(config, codecs);
  const int64_t block_count = (count + kBlockSize - 1) / kBlockSize;
  const int64_t block_bytes = config.layer_count * config.kv_head_count * layers[0].head_bytes();
  const int64_t slot_bytes = config.kv_head_count * layers[0].open_head_bytes;
  const PageMemory memory = filled(block_count * block_bytes);
  const PageMemory open = filled(config.layer_count * slot_bytes);
  const PageMemory slots = filled(block_count * slot_bytes);
  std::vector<BlockId> table;
  for (int32_t b = 0; b < block_count; ++b) table.push_back({b});
  const KvSequenceView sequence_view{
      .table = table.data(), .memory = memory.data(), .block_bytes = block_bytes, .open = open.data()};
  const std::vector<Visibility> visibility = own_windows(config);
  TestGate gate(layers, visibility,
                {.kv_head_count = static_cast<int32_t>(config.kv_head_count),
                 .head_dim = static_cast<int32_t>(config.head_dim),
                 .sequences = {&sequence_view, 1},
                 .step_slots = slots.data(),
                 .step_slot_count = block_count,
                 .step_slot_bytes = slot_bytes});

  const int64_t rows = std::min(chunk, count);
  Transformer transformer(model, threads,
                          {.rows = rows, .logit_rows = rows, .sequences = 1, .context = count}, visibility);
  std::vector<float> logits(static_cast<size_t>(count * config.vocab_size));
  for (int64_t first = 0; first < count; first += rows) {
    const int64_t n = std::min(rows, count - first);
    std::vector<int32_t> wanted(static_cast<size_t>(n));
    std::iota(wanted.begin(), wanted.end(), 0);
    const BatchSequence sequence{0, static_cast<int32_t>(n), first};
    const Batch batch{{tokens.data() + first, static_cast<size_t>(n)}, {&sequence, 1}, wanted};
    const Status status = transformer.forward(
        batch, gate, {logits.data() + first * config.vocab_size, static_cast<size_t>(n * config.vocab_size)});
    CHECK(status.ok());
  }
  return logits;
}

}  // namespace cairn
