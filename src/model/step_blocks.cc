#include "model/step_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

// One side of one head: where its rows go.
struct Target {
  const KvTileShape& shape;
  std::byte* sealed;
  std::byte* open;  // null: rows go to `sealed` at once
};

void store_side(const StepBlock& block, const Target& target, const float* row, int64_t stride) {
  const KvTileShape open_shape =
      kv_tile_shape({.format = KvFormat::kF32}, target.shape.side, target.shape.head_dim);
  for (int32_t i = 0; i < block.row_count; ++i, row += stride) {
    const int32_t offset = (block.first_position + i) % kBlockSize;
    if (target.open == nullptr) {
      kv_encode_row(target.shape, row, offset, target.sealed);
    } else {
      kv_encode_row(open_shape, row, offset, target.open);
    }
  }
  if (target.open != nullptr && block.is_filled()) {
    kv_encode_block(target.shape, reinterpret_cast<const float*>(target.open), target.sealed);
  }
}

}  // namespace

StepBlocks::StepBlocks(int64_t max_rows) { blocks_.reserve(static_cast<size_t>(max_rows)); }

void StepBlocks::set(const Batch& batch) {
  blocks_.clear();
  int32_t slot_count = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const BatchSequence& sequence = batch.sequences[s];
    for (int32_t done = 0; done < sequence.row_count;) {
      const int32_t position = sequence.first_position + done;
      const int32_t count = std::min(sequence.row_count - done, kBlockSize - position % kBlockSize);
      blocks_.push_back({.sequence = static_cast<int32_t>(s),
                         .block = position / kBlockSize,
                         .first_row = sequence.first_row + done,
                         .row_count = count,
                         .first_position = position,
                         .slot = done == 0 ? StepBlock::kOwnSlot : slot_count++});
      done += count;
    }
  }
}

StepBlocks::OpenTiles StepBlocks::open_tiles(const KvLayerView& kv, const StepBlock& block, int64_t kv_head) {
  const KvLayerLayout& layout = *kv.layout;
  if (layout.open_head_bytes == 0) return {};
  std::byte* head = nullptr;
  if (block.slot == StepBlock::kOwnSlot) {
    head = kv.sequences[static_cast<size_t>(block.sequence)].open + layout.open_offset;
  } else {
    DCHECK(block.slot < kv.step_slot_count);
    head = kv.step_slots + block.slot * kv.step_slot_bytes;
  }
  head += kv_head * layout.open_head_bytes;
  OpenTiles tiles;
  if (layout.opens_keys) tiles.keys = head;
  if (layout.opens_values) tiles.values = head + layout.open_values_offset;
  return tiles;
}

void StepBlocks::store_head(const KvLayerView& kv, const StepBlock& block, int64_t kv_head,
                            const NewRows& rows) {
  const KvLayerLayout& layout = *kv.layout;
  std::byte* bytes = kv.sequences[static_cast<size_t>(block.sequence)].block(block.block);
  const OpenTiles open = open_tiles(kv, block, kv_head);
  const int64_t stride = int64_t{kv.kv_head_count} * kv.head_dim;
  const int64_t at = block.first_row * stride + kv_head * kv.head_dim;
  store_side(block, {layout.keys, bytes + layout.keys_offset(kv_head), open.keys}, rows.keys + at, stride);
  store_side(block, {layout.values, bytes + layout.values_offset(kv_head), open.values}, rows.values + at,
             stride);
}

void StepBlocks::store(ThreadPool& threads, const KvLayerView& kv, const NewRows& rows) const {
  const int64_t heads = kv.kv_head_count;
  const auto count = static_cast<int64_t>(blocks_.size()) * heads;
  const auto store_item = [&](int64_t item, int) {
    store_head(kv, blocks_[static_cast<size_t>(item / heads)], item % heads, rows);
  };
  // A few decoded rows are not worth waking anybody.
  constexpr size_t kFewBlocks = 4;
  if (blocks_.size() >= kFewBlocks) return threads.for_each(count, store_item);
  for (int64_t item = 0; item < count; ++item) store_item(item, 0);
}

void StepBlocks::keep_open_rows(const KvLayerView& kv) const {
  const KvLayerLayout& layout = *kv.layout;
  if (layout.open_head_bytes == 0) return;
  const auto bytes = static_cast<size_t>(layout.open_head_bytes * kv.kv_head_count);
  for (const StepBlock& block : blocks_) {
    if (block.slot == StepBlock::kOwnSlot || block.is_filled()) continue;
    std::memcpy(kv.sequences[static_cast<size_t>(block.sequence)].open + layout.open_offset,
                kv.step_slots + block.slot * kv.step_slot_bytes, bytes);
  }
}

}  // namespace cairn
