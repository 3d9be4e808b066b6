// Faulty kernel tables for tests: each breaks one promise of kernels/kernels.h in a way that real kernels
// have been seen to, and is correct otherwise. A fault that a check misses here, it would miss in a real kernel.
#pragma once

#include "kernels/kernels.h"

namespace cairn {

// The table of the best instruction set with one function replaced.
// matmul adds the other way round, or rounds products, where there is one row.
[[nodiscard]] Kernels with_backward_sum_for_one_row();
[[nodiscard]] Kernels with_unfused_sum_for_one_row();
// prepare_group takes one scale for all rows of a group.
[[nodiscard]] Kernels with_scales_shared_by_rows();
// attend takes shorter spans: where a tile is not full; where there are workers; only past 256 positions;
// where other sequences are in the batch.
[[nodiscard]] Kernels with_spans_by_tile_height();
[[nodiscard]] Kernels with_spans_by_threads();
[[nodiscard]] Kernels with_spans_in_long_texts();
[[nodiscard]] Kernels with_spans_by_batch();
// A row that decodes sees its window from the edge of the block in which it begins.
[[nodiscard]] Kernels with_windows_from_block_edges();
// attend reads the first block of another sequence; all blocks that the step fills as if they were still
// open; the spans that a group shares after each member's own.
[[nodiscard]] Kernels with_block_of_another_sequence();
[[nodiscard]] Kernels with_seals_when_the_step_ends();
[[nodiscard]] Kernels with_shared_spans_last();
// All logits are 1; the same logits at every position; one of them is NaN.
[[nodiscard]] Kernels with_constant_logits();
[[nodiscard]] Kernels with_logits_of_no_position();
[[nodiscard]] Kernels with_a_nan_logit();

// To be called whenever another row of a check begins: what a fault remembers of the engine before is gone.
void forget_sequences();
// The number of threads that the process has when no engine runs (with_spans_by_threads).
void count_idle_threads();

}  // namespace cairn
