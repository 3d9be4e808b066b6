#include "engine/chaos_pass_testing.h"

#include <fmt/format.h>

#include <new>

namespace cairn {
namespace {

// Does not open one of the layers.
class ShutGate final : public KvLayerGate {
 public:
  ShutGate(KvLayerGate& gate, int64_t shut_layer) : gate_(gate), shut_layer_(shut_layer) {}

  [[nodiscard]] int64_t layer_count() const override { return gate_.layer_count(); }
  Result<KvLayerView> open(int64_t layer) override {
    if (layer == shut_layer_) return internal_error(fmt::format("the gate of layer {} is shut", layer));
    return gate_.open(layer);
  }
  void close(int64_t layer) override { gate_.close(layer); }

 private:
  KvLayerGate& gate_;
  int64_t shut_layer_;
};

}  // namespace

Status FailingPass::forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) {
  failure_of_one_.reset();
  if (!fails_one_in_.has_value() || !dice_.one_in(*fails_one_in_)) {
    return pass_->forward(batch, gate, logits);
  }
  ++failures_;
  Status status = fail(batch, gate, logits);
  const bool is_alone = batch.sequences.size() == 1;
  if (is_alone) failure_of_one_ = status;
  if (status.code() == StatusCode::kResourceExhausted) throw std::bad_alloc();
  return status;
}

// What has been done of the pass stays done: rows of the layers before are stored.
Status FailingPass::fail(const Batch& batch, KvLayerGate& gate, std::span<float> logits) {
  const int64_t layer = dice_.between(0, gate.layer_count());
  ShutGate shut(gate, layer);
  Status status = pass_->forward(batch, shut, logits);
  if (!status.ok() && !dice_.one_in(6)) return status;
  if (dice_.one_in(2)) return internal_error("the pass fails at its end");
  return resource_exhausted("out of memory");
}

}  // namespace cairn
