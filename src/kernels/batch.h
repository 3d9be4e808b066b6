// Batch and KvView: the plain structs that the forward pass and its kernels read. Everything that a kernel
// needs to know of sequences and of the cache is here; who owns the memory behind the pointers is not its
// business. Valid for one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cairn/ids.h"
#include "kernels/codecs/kv_codec.h"

namespace cairn {

// The rows of one sequence in a step: `row_count` consecutive positions from `first_position` on, as rows
// first_row, first_row + 1, ... of the batch.
struct BatchSequence {
  int32_t first_row = 0;
  int32_t row_count = 0;
  int32_t first_position = 0;
};

// One step's work: rows of (sequence, position, wants logits); prefill and decode rows may be mixed.
struct Batch {
  std::span<const TokenId> tokens;           // [rows]
  std::span<const BatchSequence> sequences;  // in row order, covering all rows without gaps
  std::span<const int32_t> logit_rows;       // rows whose logits are wanted, ascending
};

// Attention is reduced in spans of this many positions, aligned to absolute position: each alone, with its
// own maximum, then merged in ascending order. A constant of the arithmetic: never tuned per machine or
// batch.
inline constexpr int32_t kSpanSize = 256;
inline constexpr int32_t kSpanBlocks = kSpanSize / kBlockSize;

// How one layer's keys and values lie in a block, and, where a codec seals whole blocks, in an open slot.
struct KvLayerLayout {
  KvTileShape keys;
  KvTileShape values;
  int64_t offset =
      0;  // of the layer in a block; there lie, for each KV head, its key tile, then its value tile

  // Open rows are f32 tiles, only of the sides whose codec seals whole blocks; likewise head by head.
  bool opens_keys = false;
  bool opens_values = false;
  int64_t open_offset = 0;         // of the layer in a sequence's open slot
  int64_t open_values_offset = 0;  // of the value tile in a head's open rows
  int64_t open_head_bytes = 0;     // 0: this layer has no open rows

  [[nodiscard]] int64_t head_bytes() const { return keys.bytes + values.bytes; }
  [[nodiscard]] int64_t keys_offset(int64_t kv_head) const { return offset + kv_head * head_bytes(); }
  [[nodiscard]] int64_t values_offset(int64_t kv_head) const { return keys_offset(kv_head) + keys.bytes; }
};

// With both offsets 0. The one place that knows what a codec asks of a layer.
[[nodiscard]] KvLayerLayout kv_layer_layout(const KvCodec& keys, const KvCodec& values, int32_t head_dim);

struct KvLayout {
  std::span<const KvLayerLayout> layers;
  int32_t kv_head_count = 0;
  int32_t head_dim = 0;
  // Bytes of the open rows of one block and one layer: the most that any layer needs. 0: nothing is ever
  // open apart from its block.
  int64_t step_slot_bytes = 0;
};

// One sequence's memory: blocks[b] holds positions [b * kBlockSize, (b + 1) * kBlockSize) of all layers.
struct KvSequenceView {
  std::byte* const* blocks = nullptr;
  // The open rows of the block in which the step's first row lies: from step to step they stay here. Null
  // where the layout opens nothing.
  std::byte* open = nullptr;
};

// The cache as a step sees it: one KvSequenceView for each BatchSequence, in the same order.
struct KvView {
  KvLayout layout;
  std::span<const KvSequenceView> sequences;
  // Open rows of the further blocks that a step touches, of one layer at a time: slots of step_slot_bytes, as
  // many as such blocks can be in a step.
  std::byte* step_slots = nullptr;
  int64_t step_slot_count = 0;
};

}  // namespace cairn
