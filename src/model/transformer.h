// Transformer: the forward pass of one step over a Model, with its work buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/batch.h"
#include "model/model.h"

namespace cairn {

class ThreadPool;

class Transformer {
 public:
  // Work buffers are sized here, once: a step has at most `max_rows` rows and `max_logit_rows` rows with
  // logits. Nothing is allocated later.
  Transformer(std::shared_ptr<const Model> model, ThreadPool& threads, int64_t max_rows,
              int64_t max_logit_rows);
  ~Transformer();

  // Runs `batch`: reads the keys and values of earlier positions through `kv`, stores those of its own rows
  // there (all blocks up to each row's position must be present), and writes the logits of
  // batch.logit_rows[i] to logits[i * vocab_size ...].
  void forward(const Batch& batch, const KvView& kv, std::span<float> logits);

  [[nodiscard]] int64_t max_rows() const;
  [[nodiscard]] uint64_t work_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
