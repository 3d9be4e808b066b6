#include "model/step_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

// Where the rows of one side of one head are written.
struct Target {
  const KvTileShape& shape;
  std::byte* sealed;
  std::byte* open;  // null: rows go to `sealed` at once
};

void store_side(const StepBlock& block, const Target& target, const Rows& rows, int64_t kv_head) {
  const int32_t head_dim = target.shape.head_dim;
  const KvTileShape open_shape = kv_tile_shape({.format = KvFormat::kF32}, target.shape.side, head_dim);
  for (int32_t i = 0; i < block.row_count; ++i) {
    const float* row = rows.split(block.first_row + i, head_dim).row(kv_head);
    const auto offset = static_cast<int32_t>((block.first_position + i) % kBlockSize);
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

StepBlocks::StepBlocks(int64_t max_rows) : max_rows_(static_cast<size_t>(max_rows)) {
  blocks_.reserve(max_rows_);
}

void StepBlocks::set(const Batch& batch) {
  blocks_.clear();
  int32_t slot_count = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const BatchSequence& sequence = batch.sequences[s];
    DCHECK(sequence.first_position >= 0 && sequence.row_count >= 1);
    for (int32_t done = 0; done < sequence.row_count;) {
      const int64_t position = sequence.first_position + done;
      const auto room = static_cast<int32_t>(kBlockSize - position % kBlockSize);
      const int32_t count = std::min(sequence.row_count - done, room);
      blocks_.push_back({.sequence = static_cast<int32_t>(s),
                         .block = position / kBlockSize,
                         .first_row = sequence.first_row + done,
                         .row_count = count,
                         .first_position = position,
                         .slot = done == 0 ? StepBlock::kOwnSlot : slot_count++});
      done += count;
    }
  }
  CHECK(blocks_.size() <= max_rows_);  // a block has at least one row, and nothing may be allocated here
}

StepBlocks::OpenTiles StepBlocks::open_tiles(const KvLayerView& kv, const StepBlock& block, int64_t kv_head) {
  const KvLayerLayout& layout = *kv.layout;
  DCHECK(kv_head >= 0 && kv_head < kv.kv_head_count);
  DCHECK(block.sequence >= 0 && block.sequence < std::ssize(kv.sequences));
  if (layout.open_head_bytes == 0) return {};
  std::byte* head = nullptr;
  if (block.slot == StepBlock::kOwnSlot) {
    DCHECK(kv.sequences[static_cast<size_t>(block.sequence)].open != nullptr);
    head = kv.sequences[static_cast<size_t>(block.sequence)].open + layout.open_offset;
  } else {
    DCHECK(block.slot >= 0 && block.slot < kv.step_slot_count);
    DCHECK(layout.open_head_bytes * kv.kv_head_count <= kv.step_slot_bytes);
    head = kv.step_slots + block.slot * kv.step_slot_bytes;
  }
  head += kv_head * layout.open_head_bytes;
  OpenTiles tiles;
  if (layout.opens_keys) tiles.keys = head;
  if (layout.opens_values) tiles.values = head + layout.open_values_offset;
  return tiles;
}

void StepBlocks::store(ThreadPool& threads, const KvLayerView& kv, const Rows& keys,
                       const Rows& values) const {
  const KvLayerLayout& layout = *kv.layout;
  const int64_t heads = kv.kv_head_count;
  DCHECK(keys.width == heads * kv.head_dim && values.width == keys.width && values.count == keys.count);
  const auto count = static_cast<int64_t>(blocks_.size()) * heads;
  const auto store_item = [&](int64_t item, int) {
    const StepBlock& block = blocks_[static_cast<size_t>(item / heads)];
    const int64_t kv_head = item % heads;
    std::byte* bytes = kv.sequences[static_cast<size_t>(block.sequence)].block(block.block);
    const OpenTiles open = open_tiles(kv, block, kv_head);
    store_side(block, {layout.keys, bytes + layout.keys_offset(kv_head), open.keys}, keys, kv_head);
    store_side(block, {layout.values, bytes + layout.values_offset(kv_head), open.values}, values, kv_head);
  };
  // A few decoded rows are not worth waking the threads.
  constexpr size_t kFewBlocks = 4;
  if (blocks_.size() >= kFewBlocks) return threads.for_each(count, store_item);
  for (int64_t item = 0; item < count; ++item) store_item(item, 0);
}

void StepBlocks::keep_open_rows(const KvLayerView& kv) const {
  const KvLayerLayout& layout = *kv.layout;
  if (layout.open_head_bytes == 0) return;
  DCHECK(layout.open_head_bytes * kv.kv_head_count <= kv.step_slot_bytes);
  const auto bytes = static_cast<size_t>(layout.open_head_bytes * kv.kv_head_count);
  for (const StepBlock& block : blocks_) {
    if (block.slot == StepBlock::kOwnSlot || block.is_filled()) continue;
    std::memcpy(kv.sequences[static_cast<size_t>(block.sequence)].open + layout.open_offset,
                kv.step_slots + block.slot * kv.step_slot_bytes, bytes);
  }
}

}  // namespace cairn
