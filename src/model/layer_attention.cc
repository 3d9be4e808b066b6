#include "model/layer_attention.h"

#include "model/for_rows.h"

namespace cairn {

LayerAttention::LayerAttention(const Config& config, const Kernels& kernels, ThreadPool& threads,
                               const ForwardLimits& limits)
    : config_(config),
      kernels_(kernels),
      threads_(threads),
      blocks_(limits.rows),
      tiles_(config, limits.rows, limits.sequences, limits.context, threads.thread_count()) {}

uint64_t LayerAttention::bytes_for(const Config& config, const ForwardLimits& limits, int thread_count) {
  return AttentionTiles::bytes_for(config, limits.sequences, limits.context, thread_count);
}

void LayerAttention::begin_step(const Batch& batch) {
  rows_ = 0;
  for (const BatchSequence& sequence : batch.sequences) rows_ += sequence.row_count;
  blocks_.set(batch);
  tiles_.set(blocks_);
}

Status LayerAttention::run(KvLayerGate& gate, int64_t layer, const StepBuffers& buffers) {
  CAIRN_ASSIGN_OR_RETURN(const KvLayerView kv, gate.open(layer));
  attend(kv, layer, buffers);
  gate.close(layer);
  return {};
}

void LayerAttention::attend(const KvLayerView& kv, int64_t layer, const StepBuffers& buffers) {
  const KvLayerLayout& layout = *kv.layout;
  const int64_t width = config_.head_count * config_.head_dim;
  const int64_t kv_width = config_.kv_head_count * config_.head_dim;
  for_rows(threads_, rows_, [&](int64_t row) {
    float* query = buffers.query + row * width;
    rotate_heads(layout.keys.codec, config_.head_count, query);
    rotate_heads(layout.keys.codec, config_.kv_head_count, buffers.key + row * kv_width);
    rotate_heads(layout.values.codec, config_.kv_head_count, buffers.value + row * kv_width);
    kernels_.scale(config_.attention_scale, width, query);
  });
  blocks_.store(threads_, kv, {buffers.key, buffers.value});
  tiles_.attend(kernels_, threads_, kv, layer, buffers);
  blocks_.keep_open_rows(kv);
  if (layout.values.codec.transform == KvTransform::kNone) return;
  for_rows(threads_, rows_, [&](int64_t row) {
    rotate_heads(layout.values.codec, config_.head_count, buffers.attended + row * width);
  });
}

void LayerAttention::rotate_heads(const KvCodec& codec, int64_t head_count, float* heads) const {
  if (codec.transform == KvTransform::kNone) return;
  for (int64_t h = 0; h < head_count; ++h) kv_hadamard(heads + h * config_.head_dim, config_.head_dim);
}

}  // namespace cairn
