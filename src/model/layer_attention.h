// LayerAttention: what happens to a layer's rows in the cache. They are multiplied by the Hadamard matrix where the codec
// asks for it, queries are scaled, keys and values are stored (which seals the blocks that they fill), the queries
// attend, and the Hadamard matrix is undone. For transformer.cc and, for callers with model code of their own,
// engine/attention_cache.cc. Nothing else stores or attends.
//
// How rows are cut into steps, and their order in the batch, change no bit of a row's result.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "model/attention_shape.h"
#include "model/attention_tiles.h"
#include "model/forward_limits.h"
#include "model/step_blocks.h"
#include "model/step_buffers.h"

namespace cairn {

class ThreadPool;

class LayerAttention {
 public:
  // All must outlive it. Work memory is taken here, once.
  LayerAttention(const AttentionShape& shape, const Kernels& kernels, ThreadPool& threads,
                 const ForwardLimits& limits);

  // Sets the rows of this step, the same for all its layers.
  void begin_step(const Batch& batch);
  // rows.attended = attention of rows.query over the layer's keys and values, those of this step's rows included.
  // Queries, keys and values are as RoPE leaves them, and are changed; where the layer has sinks, rows.sink_query too,
  // turned to Visibility::sink_query_position. Layers run in ascending order, each once in a
  // step. Opens the layer's gate, and closes it when all has been read. Fails where the gate does not open; then
  // nothing was stored.
  Status run(KvLayerGate& gate, int64_t layer, const QkvRows& rows);

  [[nodiscard]] static uint64_t bytes_for(const AttentionShape& shape, const ForwardLimits& limits,
                                          int thread_count);
  [[nodiscard]] uint64_t bytes() const { return tiles_.bytes(); }

 private:
  void check_view(const KvLayerView& kv, int64_t layer) const;
  [[nodiscard]] bool has_sinks(int64_t layer) const;
  void attend(const KvLayerView& kv, int64_t layer, const QkvRows& rows);
  void finish_query(const KvCodec& key_codec, const Rows& queries, int64_t row) const;
  void hadamard(const KvCodec& codec, const Rows& heads) const;

  const AttentionShape& shape_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  ForwardLimits limits_;
  StepBlocks blocks_;
  AttentionTiles tiles_;
  int64_t row_count_ = 0;
  int64_t sequence_count_ = 0;
  int64_t next_layer_ = 0;
};

}  // namespace cairn
