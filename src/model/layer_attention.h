// LayerAttention: the way of a layer's rows through the cache: rotated and scaled as the codec and the model
// ask, stored (which seals what they fill), attended, rotated back. For transformer.cc and, where an engine
// author has model code of his own, engine/attention_cache.cc: nothing else stores or attends.
//
// Of a Config it reads only head_count, kv_head_count, head_dim, attention_scale, attention_soft_cap and the
// windows of layers. The cut of rows into steps, and their order in the batch, change no bit of a row's
// result.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "model/attention_tiles.h"
#include "model/config.h"
#include "model/forward_limits.h"
#include "model/step_blocks.h"
#include "model/step_buffers.h"

namespace cairn {

class ThreadPool;

class LayerAttention {
 public:
  // All must outlive it. Work memory is taken here, once.
  LayerAttention(const Config& config, const Kernels& kernels, ThreadPool& threads,
                 const ForwardLimits& limits);

  // The rows of this step, the same for all its layers.
  void begin_step(const Batch& batch);
  // buffers.attended = attention of buffers.query over the layer's keys and values, those of this step's rows
  // included. Queries, keys and values are as RoPE leaves them, and are changed. Opens the layer's gate, and closes it
  // when all has been read. Fails where the gate does not open; then nothing was stored.
  Status run(KvLayerGate& gate, int64_t layer, const StepBuffers& buffers);

  [[nodiscard]] static uint64_t bytes_for(const Config& config, const ForwardLimits& limits,
                                          int thread_count);
  [[nodiscard]] uint64_t bytes() const { return tiles_.bytes(); }

 private:
  void attend(const KvLayerView& kv, int64_t layer, const StepBuffers& buffers);
  void rotate_heads(const KvCodec& codec, int64_t head_count, float* heads) const;

  const Config& config_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  StepBlocks blocks_;
  AttentionTiles tiles_;
  int64_t rows_ = 0;
};

}  // namespace cairn
