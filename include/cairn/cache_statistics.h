// CacheStatistics: where the blocks of a KV cache are, and what became of them so far. Plain data.
//
// A block holds block_positions consecutive positions of all layers. It is in exactly one state:
//   free   it is empty
//   open   one sequence fills it
//   held   complete, immutable and in use, by one sequence or by many that begin alike
//   idle   complete, used by nobody now: found again by the next sequence that begins so, or evicted
#pragma once

#include <cstdint>

namespace cairn {

struct CacheStatistics {
  int64_t block_positions = 0;
  uint64_t block_bytes = 0;

  int64_t block_count = 0;  // = free + open + held + idle
  int64_t free_blocks = 0;
  int64_t open_blocks = 0;
  int64_t held_blocks = 0;
  int64_t idle_blocks = 0;

  uint64_t pool_bytes = 0;       // address space taken for blocks; pages of it are resident once written
  uint64_t used_bytes = 0;       // of open and held blocks; a shared block counts once
  uint64_t open_rows_bytes = 0;  // taken beside the pool, by plans that encode whole blocks

  // Since the cache was made.
  int64_t matched_positions = 0;  // found rather than computed
  int64_t evicted_blocks = 0;
  int64_t unified_blocks = 0;  // computed by two sequences at once, and kept once
};

}  // namespace cairn
