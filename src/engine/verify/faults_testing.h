// Faulty kernel tables for tests: each breaks one promise of kernels/kernels.h in a way that real kernels
// have been seen to, and is right in all else. What a check cannot find here, it cannot find in a real
// kernel.
#pragma once

#include <functional>

#include "kernels/kernels.h"

namespace cairn {

// The table of the best instruction set with one function replaced.
[[nodiscard]] Kernels
with_backward_sum_for_one_row();  // matmul adds the other way round where there is one row
[[nodiscard]] Kernels with_unfused_sum_for_one_row();  // matmul rounds products where there is one row
[[nodiscard]] Kernels with_scales_shared_by_rows();  // prepare_group takes one scale for all rows of a group
[[nodiscard]] Kernels with_spans_by_tile_height();   // attention: shorter spans where a tile is not full
[[nodiscard]] Kernels with_spans_by_threads();       // attention: shorter spans where there are workers
[[nodiscard]] Kernels with_spans_in_long_texts();    // attention: another span, only past 256 positions
[[nodiscard]] Kernels
with_block_of_another_sequence();                    // attention reads the first block of another sequence
[[nodiscard]] Kernels with_rows_that_stay();         // store_kv does not write where something stands
[[nodiscard]] Kernels with_constant_logits();        // all logits are 1
[[nodiscard]] Kernels with_logits_of_no_position();  // the same logits at every position
[[nodiscard]] Kernels with_a_nan_logit();            // one of them is no number

// To be called whenever another row of a check begins: what a fault remembers of the engine before is gone.
void forget_sequences();
// The number of threads that the process has when no engine runs (with_spans_by_threads).
void count_idle_threads();

}  // namespace cairn
