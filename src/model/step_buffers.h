// StepBuffers: the work memory of a forward pass, allocated once for the largest step. For transformer.cc, and
// AttentionBuffers for model code of an engine's author (engine/attention_cache.cc).
#pragma once

#include <cstdint>

#include "base/memory.h"
#include "kernels/rows.h"
#include "model/attention_shape.h"
#include "model/config.h"
#include "model/forward_limits.h"

namespace cairn {

// What a layer's attention reads and writes, a row for each row of the step.
struct AttentionRows {
  Rows query;     // head_count * head_dim wide
  Rows key;       // kv_head_count * head_dim
  Rows value;     // kv_head_count * head_dim
  Rows attended;  // head_count * head_dim

  [[nodiscard]] AttentionRows first(int64_t count) const {
    return {query.first(count), key.first(count), value.first(count), attended.first(count)};
  }
};

// AttentionRows alone, with their memory.
class AttentionBuffers {
 public:
  AttentionBuffers(const AttentionShape& shape, int64_t max_rows);
  [[nodiscard]] static uint64_t bytes_for(const AttentionShape& shape, int64_t max_rows);

  [[nodiscard]] const AttentionRows& rows() const { return rows_; }

 private:
  PageMemory memory_;
  AttentionRows rows_;
};

struct StepBuffers {
  StepBuffers(const Config& config, const ForwardLimits& limits, int thread_count);
  [[nodiscard]] static uint64_t bytes_for(const Config& config, const ForwardLimits& limits,
                                          int thread_count);

  // limits.rows of each.
  Rows residual;  // model_dim wide: the stream that layers add to
  Rows normed;    // model_dim
  AttentionRows attention;
  Rows projected;  // model_dim: what a sub-block adds to the residual
  Rows gate;       // ffn_dim
  Rows up;         // ffn_dim
  Rows cosines;    // ropes * rope_dim / 2
  Rows sines;
  Rows final_rows;              // limits.logit_rows of them, model_dim wide
  std::byte* matmul = nullptr;  // matmul_bytes() of the widest input

  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }

 private:
  StepBuffers() = default;
  // Places the buffers from `base` on, or only counts where that is null. Returns the bytes of all.
  uint64_t lay_out(const Config& config, const ForwardLimits& limits, int thread_count, std::byte* base);

  PageMemory memory_;
};

}  // namespace cairn
