#include "model/step_buffers.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/operand.h"

namespace cairn {

uint64_t StepBuffers::lay_out(const Config& config, int64_t max_rows, int64_t max_logit_rows,
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
  residual = take_floats(max_rows * config.model_dim);
  normed = take_floats(max_rows * config.model_dim);
  query = take_floats(max_rows * heads);
  key = take_floats(max_rows * kv_heads);
  value = take_floats(max_rows * kv_heads);
  attended = take_floats(max_rows * heads);
  projected = take_floats(max_rows * config.model_dim);
  gate = take_floats(max_rows * config.ffn_dim);
  up = take_floats(max_rows * config.ffn_dim);
  cosines = take_floats(max_rows * turns);
  sines = take_floats(max_rows * turns);
  final_rows = take_floats(max_logit_rows * config.model_dim);
  operand = take(std::max(operand_bytes(max_rows, widest), operand_bytes(max_logit_rows, config.model_dim)));
  return used;
}

uint64_t StepBuffers::bytes_for(const Config& config, int64_t max_rows, int64_t max_logit_rows) {
  return StepBuffers().lay_out(config, max_rows, max_logit_rows, nullptr);
}

StepBuffers::StepBuffers(const Config& config, int64_t max_rows, int64_t max_logit_rows) {
  Result<PageMemory> memory = PageMemory::allocate(bytes_for(config, max_rows, max_logit_rows));
  CHECK(memory.ok());  // address space only: pages are counted when touched
  memory_ = std::move(memory).value();
  lay_out(config, max_rows, max_logit_rows, memory_.data());
}

}  // namespace cairn
