// cairn bench codecs: what each KV plan costs in bytes, and what it changes in a model's predictions.
#pragma once

#include "cairn/status.h"
#include "cli/bench.h"

namespace cairn {

class Console;

Status bench_codecs(const BenchOptions& options, Console& console);

}  // namespace cairn
