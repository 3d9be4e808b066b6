#include "model/attention_tiles.h"

#include <algorithm>

#include "base/thread_pool.h"

namespace cairn {

AttentionTiles::AttentionTiles(const Config& config, int64_t max_rows)
    : config_(config),
      group_heads_(config.head_count / config.kv_head_count),
      tile_heads_(std::min<int64_t>(group_heads_, kAttentionRows)),
      tile_rows_(kAttentionRows / tile_heads_) {
  rows_.reserve(static_cast<size_t>(max_rows));
}

void AttentionTiles::set(const Batch& batch) {
  rows_.clear();
  const auto step = static_cast<int32_t>(tile_rows_);
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const BatchSequence& sequence = batch.sequences[s];
    for (int32_t i = 0; i < sequence.row_count; i += step) {
      rows_.push_back({static_cast<int32_t>(s), sequence.first_row + i,
                       std::min(step, sequence.row_count - i), sequence.first_position + i});
    }
  }
}

void AttentionTiles::attend(const Kernels& kernels, ThreadPool& threads, const Batch& batch, const KvView& kv,
                            int64_t layer, const StepBuffers& buffers) const {
  const int64_t head_parts = (group_heads_ + tile_heads_ - 1) / tile_heads_;
  const int64_t per_rows = config_.kv_head_count * head_parts;
  threads.for_each(static_cast<int64_t>(rows_.size()) * per_rows, [&](int64_t item, int thread) {
    const Rows& rows = rows_[static_cast<size_t>(item / per_rows)];
    const int64_t kv_head = item % per_rows / head_parts;
    const AttentionTile tile = tile_of(rows, kv_head, item % head_parts, kv, layer, buffers);
    kernels.attend(tile, attention_scratch(buffers.attention_scratch[static_cast<size_t>(thread)]));
  });
}

AttentionTile AttentionTiles::tile_of(const Rows& rows, int64_t kv_head, int64_t head_part, const KvView& kv,
                                      int64_t layer, const StepBuffers& buffers) const {
  AttentionTile tile;
  tile.type = kv.layout.type;
  tile.head_dim = static_cast<int32_t>(config_.head_dim);
  tile.soft_cap = config_.attention_soft_cap;
  tile.blocks = kv.sequences[static_cast<size_t>(rows.sequence)].blocks;
  tile.keys_offset = layer * kv.layout.layer_bytes() + kv.layout.keys_offset(kv_head);
  tile.values_offset = layer * kv.layout.layer_bytes() + kv.layout.values_offset(kv_head);
  const auto window = static_cast<int32_t>(config_.layers[static_cast<size_t>(layer)].window);
  const int64_t first_head = kv_head * group_heads_ + head_part * tile_heads_;
  const int64_t last_head = std::min(first_head + tile_heads_, (kv_head + 1) * group_heads_);
  for (int32_t i = 0; i < rows.row_count; ++i) {
    const int32_t position = rows.first_position + i;
    for (int64_t head = first_head; head < last_head; ++head) {
      const int64_t at = ((rows.first_row + i) * config_.head_count + head) * config_.head_dim;
      tile.query[tile.row_count] = buffers.query + at;
      tile.output[tile.row_count] = buffers.attended + at;
      tile.begin[tile.row_count] = window == 0 ? 0 : std::max(0, position - window + 1);
      tile.end[tile.row_count] = position + 1;
      ++tile.row_count;
    }
  }
  return tile;
}

}  // namespace cairn
