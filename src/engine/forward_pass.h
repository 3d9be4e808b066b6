// ForwardPass: all that the engine needs of a model: logits for a batch of rows, through the gate of the cache.
// TransformerPass (transformer_pass.h) is the real one; tests use one whose logits are easy to predict.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "cairn/status.h"
#include "kernels/batch.h"
#include "kernels/kv_view.h"

namespace cairn {

class ForwardPass {
 public:
  virtual ~ForwardPass() = default;

  // Reads earlier positions' rows through the gate, layer by layer, stores those of its own rows there, and writes
  // the logits of batch.logit_rows[i] to logits[i * vocab_size() ...]. Fails where the gate does: then the step
  // must be abandoned, and `logits` means nothing.
  virtual Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) = 0;

  [[nodiscard]] virtual int64_t max_rows() const = 0;
  [[nodiscard]] virtual int64_t max_logit_rows() const = 0;
  [[nodiscard]] virtual int64_t vocab_size() const = 0;
  [[nodiscard]] virtual uint64_t work_bytes() const = 0;
};

// Puts something between an engine and its model (tests do, to break a promise and see that it is noticed).
using PassWrapper = std::function<std::unique_ptr<ForwardPass>(std::unique_ptr<ForwardPass> pass)>;

}  // namespace cairn
