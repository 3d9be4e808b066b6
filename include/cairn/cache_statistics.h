// CacheStatistics: where the blocks of a KV cache are, and what became of them so far. Plain data.
//
// A block holds block_positions consecutive positions of a group of layers: of those that see the same positions (all of
// them, where no layer has a window). Blocks of all groups are counted together. Each is in exactly one state:
//   free   it is empty
//   open   one sequence fills it
//   held   complete, immutable and in use, by one sequence or by many that begin alike
//   idle   complete, used by nobody now: found again by the next sequence that begins so, or evicted
#pragma once

#include <cstdint>

namespace cairn {

struct CacheStatistics {
  int64_t block_positions = 0;
  int64_t group_count = 0;   // of layers
  uint64_t block_bytes = 0;  // of one block of every group

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
  int64_t passed_blocks = 0;   // a window went past them, and their sequence let them go
  int64_t recomputed_positions =
      0;  // were there, and had to be computed again: after a step that was abandoned, or
          // a truncation that went farther back than windows reach
};

}  // namespace cairn
