// The counts of a KvCache as the public interface reports them. For llm.cc and attention_cache.cc.
#pragma once

#include "cairn/cache_statistics.h"
#include "kv/kv_cache.h"

namespace cairn {

[[nodiscard]] inline CacheStatistics cache_statistics_of(const KvCache& cache) {
  const KvCounts counts = cache.counts();
  return {.block_positions = kBlockSize,
          .group_count = cache.geometry().group_count(),
          .block_bytes = cache.geometry().block_bytes(),
          .block_count = counts.block_count,
          .free_blocks = counts.free_blocks,
          .open_blocks = counts.open_blocks,
          .held_blocks = counts.held_blocks,
          .idle_blocks = counts.idle_blocks,
          .pool_bytes = cache.pool_bytes(),
          .used_bytes = cache.used_bytes(),
          .open_rows_bytes = cache.open_bytes(),
          .matched_positions = counts.matched_positions,
          .evicted_blocks = counts.evicted_blocks,
          .unified_blocks = counts.unified_blocks,
          .passed_blocks = counts.passed_blocks,
          .recomputed_positions = counts.recomputed_positions};
}

}  // namespace cairn
