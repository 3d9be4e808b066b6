// Batch and KvView: the plain structs that the forward pass and its kernels read. Everything that a kernel
// needs to know of sequences and of the cache is here; who owns the memory behind the pointers is not its
// business. Valid for one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "cairn/ids.h"

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

// How a key or value row is stored.
enum class KvType : uint8_t { kF32, kF16, kBF16 };

[[nodiscard]] constexpr int64_t kv_element_bytes(KvType type) { return type == KvType::kF32 ? 4 : 2; }

// A block holds kBlockSize consecutive positions of all layers. 32: two 16-lane vectors of keys; the unit
// of sealing, sharing and I/O.
inline constexpr int32_t kBlockSize = 32;
// Attention is reduced in spans of this many positions, aligned to absolute position: each alone, with its
// own maximum, then merged in ascending order. A constant of the arithmetic: never tuned per machine or
// batch.
inline constexpr int32_t kSpanSize = 256;

// The bytes of one layer inside a block: for each KV head its keys, then its values:
//   keys   [head_dim][kBlockSize]   transposed: one row holds an element of 32 positions side by side
//   values [kBlockSize][head_dim]
// so that both products of attention run over contiguous lanes without a horizontal sum.
struct KvLayout {
  KvType type = KvType::kF16;
  int32_t kv_head_count = 0;
  int32_t head_dim = 0;

  [[nodiscard]] int64_t tile_bytes() const { return kv_element_bytes(type) * head_dim * kBlockSize; }
  [[nodiscard]] int64_t keys_offset(int64_t kv_head) const { return 2 * kv_head * tile_bytes(); }
  [[nodiscard]] int64_t values_offset(int64_t kv_head) const { return (2 * kv_head + 1) * tile_bytes(); }
  [[nodiscard]] int64_t layer_bytes() const { return 2 * kv_head_count * tile_bytes(); }
};

// One sequence's blocks: blocks[b] holds positions [b * kBlockSize, (b + 1) * kBlockSize) of all layers.
struct KvSequenceView {
  std::byte* const* blocks = nullptr;
};

// The cache as a step sees it: one KvSequenceView for each BatchSequence, in the same order.
struct KvView {
  KvLayout layout;
  std::span<const KvSequenceView> sequences;

  [[nodiscard]] std::byte* layer_of_block(int64_t sequence, int64_t block, int64_t layer) const {
    return sequences[static_cast<size_t>(sequence)].blocks[block] + layer * layout.layer_bytes();
  }
};

}  // namespace cairn
