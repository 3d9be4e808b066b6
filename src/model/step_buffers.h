// StepBuffers: the work memory of a forward pass, allocated once for the largest step. For transformer.cc.
#pragma once

#include <cstdint>

#include "base/memory.h"
#include "model/config.h"
#include "model/forward_limits.h"

namespace cairn {

struct StepBuffers {
  StepBuffers(const Config& config, const ForwardLimits& limits, int thread_count);
  [[nodiscard]] static uint64_t bytes_for(const Config& config, const ForwardLimits& limits,
                                          int thread_count);

  // [limits.rows][width], rows without gaps.
  float* residual = nullptr;   // model_dim: the stream that layers add to
  float* normed = nullptr;     // model_dim
  float* query = nullptr;      // head_count * head_dim
  float* key = nullptr;        // kv_head_count * head_dim
  float* value = nullptr;      // kv_head_count * head_dim
  float* attended = nullptr;   // head_count * head_dim
  float* projected = nullptr;  // model_dim: what a sub-block adds to the residual
  float* gate = nullptr;       // ffn_dim
  float* up = nullptr;         // ffn_dim
  float* cosines = nullptr;    // ropes * rope_dim / 2
  float* sines = nullptr;
  float* final_rows = nullptr;  // [limits.logit_rows][model_dim]
  std::byte* matmul = nullptr;  // matmul_bytes() of the widest input

  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }

 private:
  StepBuffers() = default;
  // Hands out stretches from `base` on (null: only counts). Answers the bytes in all.
  uint64_t lay_out(const Config& config, const ForwardLimits& limits, int thread_count, std::byte* base);

  PageMemory memory_;
};

}  // namespace cairn
