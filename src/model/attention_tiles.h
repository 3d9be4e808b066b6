// AttentionTiles: cuts a step's attention into tiles of rows that share a KV head, and runs them over the
// threads. The cut changes nothing: a row's result depends on that row alone. For transformer.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/step_buffers.h"

namespace cairn {

class ThreadPool;

class AttentionTiles {
 public:
  AttentionTiles(const Config& config, int64_t max_rows);

  // Lays the tiles of this step; the same for all its layers.
  void set(const Batch& batch);
  // buffers.attended = attention of buffers.query over what `kv` holds for `layer`.
  void attend(const Kernels& kernels, ThreadPool& threads, const Batch& batch, const KvView& kv,
              int64_t layer, const StepBuffers& buffers) const;

 private:
  // Consecutive rows of one sequence.
  struct Rows {
    int32_t sequence;
    int32_t first_row;
    int32_t row_count;
    int32_t first_position;
  };
  [[nodiscard]] AttentionTile tile_of(const Rows& rows, int64_t kv_head, int64_t head_part, const KvView& kv,
                                      int64_t layer, const StepBuffers& buffers) const;

  const Config& config_;
  int64_t group_heads_;  // query heads of a KV head
  int64_t tile_heads_;   // how many of them a tile takes
  int64_t tile_rows_;    // how many positions a tile takes
  std::vector<Rows> rows_;
};

}  // namespace cairn
