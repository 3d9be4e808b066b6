// The parts of `cairn bench growth`: what grows with what, a panel each. A stop leaves what there is by then.
#pragma once

#include <cstdint>

#include "cairn/status.h"
#include "cli/bench.h"
#include "cli/open_model.h"
#include "cli/svg_plot.h"

namespace cairn {

// The least context that it can measure in.
inline constexpr int64_t kLeastGrowthContext = 320;

// A decoded token behind more and more positions, as far as the context goes.
Result<PlotPanel> growth_by_depth(const OpenModel& opened, const BenchRun& run);
// A step in which more and more sequences decode, and a token of it.
Result<PlotPanel> growth_by_sequences(const OpenModel& opened, const BenchRun& run);
// A decoded token, and a token of a prompt, on more and more threads, up to those that the model was opened for.
Result<PlotPanel> growth_by_threads(const OpenModel& opened, const BenchRun& run);
// Looking prompts up and inserting their blocks, with up to `most_blocks` named blocks in the index. Needs no model.
Result<PlotPanel> growth_by_index(int64_t most_blocks, const BenchRun& run);

// kResourceExhausted: growth_by_index would take more memory than is free.
Status check_growth_by_index(int64_t most_blocks);

}  // namespace cairn
