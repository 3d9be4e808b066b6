// Batch: which rows a step runs. Plain data for the forward pass and its kernels; valid for one step. Where the
// keys and values of those rows' sequences are is in kernels/kv_view.h.
#pragma once

#include <cstdint>
#include <span>

#include "cairn/ids.h"

namespace cairn {

// The rows of one sequence in a step: `row_count` consecutive positions from `first_position` on, as rows
// first_row, first_row + 1, ... of the batch.
struct BatchSequence {
  int32_t first_row = 0;
  int32_t row_count = 0;
  int64_t first_position = 0;
};

// One step's work: rows of (sequence, position, wants logits); prefill and decode rows may be mixed.
struct Batch {
  std::span<const TokenId> tokens;           // [rows]
  std::span<const BatchSequence> sequences;  // in row order, covering all rows without gaps
  std::span<const int32_t> logit_rows;       // rows whose logits are wanted, ascending
};

}  // namespace cairn
