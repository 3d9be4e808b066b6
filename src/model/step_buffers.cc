#include "model/step_buffers.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/matmul/matmul.h"

namespace cairn {

uint64_t StepBuffers::lay_out(const Config& config, const ForwardLimits& limits, int thread_count,
                              std::byte* base) {
  const int64_t heads = config.head_count * config.head_dim;
  const int64_t kv_heads = config.kv_head_count * config.head_dim;
  const int64_t turns = static_cast<int64_t>(config.ropes.size()) * config.rope_dim / 2;
  const int64_t widest = std::max({config.model_dim, heads, config.ffn_dim});
  uint64_t used = 0;
  const auto take = [&](int64_t bytes) {
    std::byte* at = base == nullptr ? nullptr : base + used;
    used += (static_cast<uint64_t>(bytes) + 63) / 64 * 64;
    return at;
  };
  const auto take_floats = [&](int64_t count) { return reinterpret_cast<float*>(take(count * 4)); };
  residual = take_floats(limits.rows * config.model_dim);
  normed = take_floats(limits.rows * config.model_dim);
  query = take_floats(limits.rows * heads);
  key = take_floats(limits.rows * kv_heads);
  value = take_floats(limits.rows * kv_heads);
  attended = take_floats(limits.rows * heads);
  projected = take_floats(limits.rows * config.model_dim);
  gate = take_floats(limits.rows * config.ffn_dim);
  up = take_floats(limits.rows * config.ffn_dim);
  cosines = take_floats(limits.rows * turns);
  sines = take_floats(limits.rows * turns);
  final_rows = take_floats(limits.logit_rows * config.model_dim);
  matmul = take(std::max(matmul_bytes(limits.rows, widest, thread_count),
                         matmul_bytes(limits.logit_rows, config.model_dim, thread_count)));
  return used;
}

uint64_t StepBuffers::bytes_for(const Config& config, const ForwardLimits& limits, int thread_count) {
  return StepBuffers().lay_out(config, limits, thread_count, nullptr);
}

StepBuffers::StepBuffers(const Config& config, const ForwardLimits& limits, int thread_count) {
  Result<PageMemory> memory = PageMemory::allocate(bytes_for(config, limits, thread_count));
  CHECK(memory.ok());  // address space only: pages are counted when touched
  memory_ = std::move(memory).value();
  lay_out(config, limits, thread_count, memory_.data());
}

}  // namespace cairn
