// cairn bench depth: what a token costs behind many positions, by KV plan, beside the machine's ceilings.
#pragma once

#include "cairn/status.h"
#include "cli/bench.h"

namespace cairn {

class Console;

Status bench_depth(const BenchOptions& options, Console& console);

}  // namespace cairn
