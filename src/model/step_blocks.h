// StepBlocks: the blocks that a step's rows lie in, and how keys and values get there. For LayerAttention and AttentionTiles.
//
// Rows of a codec that works row by row are written in their final form. Where a codec seals whole blocks, rows are
// written to f32 tiles (open rows) and encoded when the block's last position is filled, layer by layer. So later blocks
// of the same step read the encoded form, while the block's own queries read its open rows. The open rows of the block
// in which a sequence's step begins stay in the cache from step to step. Those of further blocks are kept until the
// layer's attention is done; then only the last, unfinished block's are copied to the cache.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/batch.h"
#include "kernels/kv_view.h"
#include "kernels/rows.h"

namespace cairn {

class ThreadPool;

// Consecutive rows of one sequence that lie in one block.
struct StepBlock {
  int32_t sequence = 0;
  int64_t block = 0;  // of the sequence
  int32_t first_row = 0;
  int32_t row_count = 0;
  int64_t first_position = 0;
  int32_t slot = kOwnSlot;  // of KvLayerView::step_slots; kOwnSlot: KvSequenceView::open

  static constexpr int32_t kOwnSlot = -1;
  [[nodiscard]] int64_t end_position() const { return first_position + row_count; }
  [[nodiscard]] bool is_filled() const { return end_position() % kBlockSize == 0; }
};

class StepBlocks {
 public:
  explicit StepBlocks(int64_t max_rows);

  // At most max_rows rows.
  void set(const Batch& batch);
  [[nodiscard]] const std::vector<StepBlock>& blocks() const { return blocks_; }

  // Stores the step's rows of a layer, kv_head_count * head_dim wide, and seals the blocks that they fill.
  void store(ThreadPool& threads, const KvLayerView& kv, const Rows& keys, const Rows& values) const;
  // Copies the open rows that the next step needs to the cache. To be called after the layer's attention.
  void keep_open_rows(const KvLayerView& kv) const;

  // The open rows of one KV head, f32 tiles; null where this side has none in this layer.
  struct OpenTiles {
    std::byte* keys = nullptr;
    std::byte* values = nullptr;
  };
  [[nodiscard]] static OpenTiles open_tiles(const KvLayerView& kv, const StepBlock& block, int64_t kv_head);

 private:
  size_t max_rows_;
  std::vector<StepBlock> blocks_;
};

}  // namespace cairn
