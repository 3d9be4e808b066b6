#include "model/step_buffers.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/matmul/matmul.h"

namespace cairn {
namespace {

// Hands out one memory, piece by piece; without a base it only counts.
class Layout {
 public:
  explicit Layout(std::byte* base) : base_(base) {}

  std::byte* take(int64_t bytes) {
    constexpr uint64_t kAlignment = 64;
    std::byte* const at = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (static_cast<uint64_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }
  Rows take_rows(int64_t count, int64_t width) {
    return {reinterpret_cast<float*>(take(count * width * int64_t{sizeof(float)})), width, count};
  }
  QkvRows take_qkv_rows(const AttentionShape& shape, int64_t count) {
    QkvRows rows;
    rows.query = take_rows(count, shape.query_width());
    rows.key = take_rows(count, shape.kv_width());
    rows.value = take_rows(count, shape.kv_width());
    rows.attended = take_rows(count, shape.query_width());
    if (shape.has_sinks()) rows.sink_query = take_rows(count, shape.query_width());
    return rows;
  }
  [[nodiscard]] uint64_t used_bytes() const { return used_; }

 private:
  std::byte* base_;
  uint64_t used_ = 0;
};

PageMemory allocate(uint64_t bytes) {
  Result<PageMemory> memory = PageMemory::allocate(bytes);
  CHECK(memory.ok());  // address space only: pages are counted when touched
  return std::move(memory).value();
}

}  // namespace

uint64_t AttentionBuffers::bytes_for(const AttentionShape& shape, int64_t max_rows) {
  Layout layout(nullptr);
  layout.take_qkv_rows(shape, max_rows);
  return layout.used_bytes();
}

AttentionBuffers::AttentionBuffers(const AttentionShape& shape, int64_t max_rows)
    : memory_(allocate(bytes_for(shape, max_rows))) {
  rows_ = Layout(memory_.data()).take_qkv_rows(shape, max_rows);
}

uint64_t StepBuffers::lay_out(const Config& config, const AttentionShape& shape, const ForwardLimits& limits,
                              int thread_count, std::byte* base) {
  const int64_t angles = static_cast<int64_t>(config.ropes.size()) * config.rope_dim / 2;
  const int64_t widest = std::max({config.model_dim, shape.query_width(), config.ffn_dim});
  Layout layout(base);
  residual = layout.take_rows(limits.rows, config.model_dim);
  normed = layout.take_rows(limits.rows, config.model_dim);
  attention = layout.take_qkv_rows(shape, limits.rows);
  projected = layout.take_rows(limits.rows, config.model_dim);
  gate = layout.take_rows(limits.rows, config.ffn_dim);
  up = layout.take_rows(limits.rows, config.ffn_dim);
  cosines = layout.take_rows(limits.rows, angles);
  sines = layout.take_rows(limits.rows, angles);
  if (shape.has_sinks()) {
    sink_cosines = layout.take_rows(config.layer_count, config.rope_dim / 2);
    sink_sines = layout.take_rows(config.layer_count, config.rope_dim / 2);
  }
  final_rows = layout.take_rows(limits.logit_rows, config.model_dim);
  matmul = layout.take(std::max(matmul_bytes(limits.rows, widest, thread_count),
                                matmul_bytes(limits.logit_rows, config.model_dim, thread_count)));
  return layout.used_bytes();
}

uint64_t StepBuffers::bytes_for(const Config& config, const AttentionShape& shape,
                                const ForwardLimits& limits, int thread_count) {
  return StepBuffers().lay_out(config, shape, limits, thread_count, nullptr);
}

StepBuffers::StepBuffers(const Config& config, const AttentionShape& shape, const ForwardLimits& limits,
                         int thread_count)
    : memory_(allocate(bytes_for(config, shape, limits, thread_count))) {
  const uint64_t used_bytes = lay_out(config, shape, limits, thread_count, memory_.data());
  CHECK(used_bytes <= memory_.bytes());
}

}  // namespace cairn
