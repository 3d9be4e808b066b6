// TransformerPass: a model's Transformer as the engine's ForwardPass.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/forward_pass.h"
#include "model/transformer.h"

namespace cairn {

class TransformerPass final : public ForwardPass {
 public:
  // `visibility`: of each layer, as the cache's geometry has it.
  TransformerPass(std::shared_ptr<const Model> model, ThreadPool& threads, const ForwardLimits& limits,
                  std::vector<Visibility> visibility)
      : vocab_size_(model->config().vocab_size),
        transformer_(std::move(model), threads, limits, std::move(visibility)) {}

  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) override {
    return transformer_.forward(batch, gate, logits);
  }
  [[nodiscard]] int64_t max_rows() const override { return transformer_.limits().rows; }
  [[nodiscard]] int64_t max_logit_rows() const override { return transformer_.limits().logit_rows; }
  [[nodiscard]] int64_t vocab_size() const override { return vocab_size_; }
  [[nodiscard]] uint64_t work_bytes() const override { return transformer_.work_bytes(); }

 private:
  int64_t vocab_size_;
  Transformer transformer_;
};

}  // namespace cairn
