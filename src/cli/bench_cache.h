// cairn bench cache: generating with and without the cache, and the work of each beside its formula.
#pragma once

#include <cstdint>

#include "cairn/status.h"
#include "cli/bench.h"

namespace cairn {

class Console;

// The work of generating m tokens after a prompt of n, by formula. A score is one query head's product with
// one key, of one layer without a window.
struct CacheWork {
  uint64_t positions = 0;  // run through the layers
  uint64_t scores = 0;
};
[[nodiscard]] CacheWork work_without_cache(uint64_t prompt, uint64_t generated);
[[nodiscard]] CacheWork work_with_cache(uint64_t prompt, uint64_t generated);

Status bench_cache(const BenchOptions& options, Console& console);

}  // namespace cairn
