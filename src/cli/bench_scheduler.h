// cairn bench scheduler: what the engine's own work costs in a step, beside the forward pass.
#pragma once

#include "cairn/status.h"
#include "cli/bench.h"

namespace cairn {

class Console;

// Needs no model: the engine runs over a forward pass that computes nothing, and every token is given.
Status bench_scheduler(const BenchOptions& options, Console& console);

}  // namespace cairn
