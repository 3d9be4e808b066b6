// The cache as a step's kernels see it: how keys and values lie in blocks (KvLayerLayout), where one layer's blocks are
// (KvLayerView), and the gate through which the forward pass gets them (KvLayerGate). Everything that a kernel needs to
// know of the cache is here; who owns the memory behind the pointers is not its business. Valid for one step.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

#include "cairn/status.h"
#include "kernels/codecs/kv_codec.h"
#include "kernels/visibility.h"

namespace cairn {

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
      0;  // of the layer in its group's block; there lie, for each KV head, its key tile, then its value tile

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

// A block's place in the memory that it is one of.
struct BlockId {
  int32_t value = 0;
  friend auto operator<=>(const BlockId&, const BlockId&) = default;
};

// One sequence's block table. Block b holds positions [b * kBlockSize, (b + 1) * kBlockSize); those from sink_blocks up
// to first_block are gone, and no query of this layer sees them.
struct KvSequenceView {
  const BlockId* table = nullptr;  // the blocks that are there, in order
  int64_t sink_blocks = 0;
  int64_t first_block = 0;      // at least sink_blocks
  std::byte* memory = nullptr;  // block `id` begins at memory + id * block_bytes
  int64_t block_bytes = 0;
  // The open rows of the block in which the step's first row lies: from step to step they stay here. Null
  // where the layout opens nothing.
  std::byte* open = nullptr;

  [[nodiscard]] bool has(int64_t index) const { return index < sink_blocks || index >= first_block; }
  [[nodiscard]] std::byte* block(int64_t index) const {
    const int64_t place = index < sink_blocks ? index : index - first_block + sink_blocks;
    return memory + table[place].value * block_bytes;
  }
};

// One layer of the cache: a KvSequenceView for each BatchSequence, in the same order.
struct KvLayerView {
  const KvLayerLayout* layout = nullptr;
  int32_t kv_head_count = 0;
  int32_t head_dim = 0;
  // What its queries see: no other blocks need be there.
  Visibility visibility;
  // Layers of one group have the same `sequences`; another group has blocks and tables of its own.
  int32_t layer_group = 0;
  std::span<const KvSequenceView> sequences;
  // Open rows of the further blocks that a step touches, of one layer at a time: slots of step_slot_bytes, as
  // many as such blocks can be in a step.
  std::byte* step_slots = nullptr;
  int64_t step_slot_count = 0;
  int64_t step_slot_bytes = 0;
};

// The forward pass opens a layer just before it needs that layer's blocks and closes it when the layer's attention is
// done. Layers are opened one at a time, and every layer once in a step.
class KvLayerGate {
 public:
  virtual ~KvLayerGate() = default;
  [[nodiscard]] virtual int64_t layer_count() const = 0;
  // May wait until the layer's blocks are in memory. An error ends the pass: its step must be abandoned.
  virtual Result<KvLayerView> open(int64_t layer) = 0;
  virtual void close(int64_t layer) = 0;
};

}  // namespace cairn
