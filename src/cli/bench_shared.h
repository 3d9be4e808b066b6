// cairn bench shared: many sequences behind one prefix. Memory to the byte, tokens/s beside one sequence, and
// the time to first token of a hit beside that of computing only what it did not find.
#pragma once

#include "cairn/status.h"
#include "cli/bench.h"

namespace cairn {

class Console;

Status bench_shared(const BenchOptions& options, Console& console);

}  // namespace cairn
