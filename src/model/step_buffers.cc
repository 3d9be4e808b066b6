#include "model/step_buffers.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/attention.h"
#include "kernels/operand.h"

namespace cairn {

StepBuffers::StepBuffers(const Config& config, int64_t max_rows, int64_t max_logit_rows, int thread_count) {
  const int64_t heads = config.head_count * config.head_dim;
  const int64_t kv_heads = config.kv_head_count * config.head_dim;
  const int64_t turns = static_cast<int64_t>(config.ropes.size()) * config.rope_dim / 2;
  const int64_t widest = std::max({config.model_dim, heads, config.ffn_dim});

  // Laid out twice with the same code: first to count, then to hand out.
  std::byte* base = nullptr;
  uint64_t used = 0;
  const auto take = [&](int64_t bytes) {
    std::byte* at = base == nullptr ? nullptr : base + used;
    used += (static_cast<uint64_t>(bytes) + 63) / 64 * 64;
    return at;
  };
  const auto take_floats = [&](int64_t count) { return reinterpret_cast<float*>(take(count * 4)); };
  const auto lay_out = [&] {
    used = 0;
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
    operand =
        take(std::max(operand_bytes(max_rows, widest), operand_bytes(max_logit_rows, config.model_dim)));
    attention_scratch.clear();
    for (int t = 0; t < thread_count; ++t) {
      attention_scratch.push_back(take_floats(attention_scratch_floats(config.head_dim)));
    }
  };
  lay_out();
  Result<PageMemory> memory = PageMemory::allocate(used);
  CHECK(memory.ok());  // address space only: pages are counted when touched
  memory_ = std::move(memory).value();
  base = memory_.data();
  lay_out();
}

}  // namespace cairn
