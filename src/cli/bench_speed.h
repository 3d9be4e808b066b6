// cairn bench speed: decode beside the bandwidth of memory, prefill beside the peak of the matrix units.
#pragma once

#include "cairn/status.h"
#include "cli/bench.h"

namespace cairn {

class Console;

Status bench_speed(const BenchOptions& options, Console& console);

}  // namespace cairn
