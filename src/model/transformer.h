// Transformer: the forward pass of one step over a Model, with its work buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "kernels/batch.h"
#include "kernels/kv_view.h"
#include "kernels/visibility.h"
#include "model/forward_limits.h"
#include "model/model.h"

namespace cairn {

class ThreadPool;

class Transformer {
 public:
  // Allocates all work buffers. Nothing is allocated later. `visibility`: what the queries of each layer see (own_windows,
  // or less); the gate must say the same. Sinks need a model with RoPE.
  Transformer(std::shared_ptr<const Model> model, ThreadPool& threads, const ForwardLimits& limits,
              std::vector<Visibility> visibility);
  ~Transformer();

  // Runs `batch`. Reads the keys and values of earlier positions through the gate and stores those of the batch's rows
  // there; all blocks up to each row's position that some row sees must be present. Writes the logits of batch.logit_rows[i] to
  // logits[i * vocab_size ...]. Fails where the gate does.
  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits);

  [[nodiscard]] const ForwardLimits& limits() const;
  [[nodiscard]] uint64_t work_bytes() const;
  // What work_bytes() will be, before the weights are loaded.
  [[nodiscard]] static uint64_t work_bytes_for(const Config& config, std::vector<Visibility> visibility,
                                               const ForwardLimits& limits, int thread_count);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
