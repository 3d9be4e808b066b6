// KvCounts: how many blocks of a paged cache are in each state, and what has happened to blocks and positions so far.
// KvBlockCounts says it of the blocks of one layer group, KvCounts of all groups together. Plain data.
#pragma once

#include <cstdint>

namespace cairn {

struct KvBlockCounts {
  int64_t block_count = 0;  // = free + open + held + idle
  int64_t free_blocks = 0;
  int64_t open_blocks = 0;
  int64_t held_blocks = 0;
  int64_t idle_blocks = 0;

  // Since the cache was made.
  int64_t evicted_blocks = 0;
  int64_t unified_blocks = 0;  // computed twice at once, and kept once
  int64_t passed_blocks = 0;   // a sequence's window went past them, and it let them go

  KvBlockCounts& operator+=(const KvBlockCounts& other) {
    block_count += other.block_count;
    free_blocks += other.free_blocks;
    open_blocks += other.open_blocks;
    held_blocks += other.held_blocks;
    idle_blocks += other.idle_blocks;
    evicted_blocks += other.evicted_blocks;
    unified_blocks += other.unified_blocks;
    passed_blocks += other.passed_blocks;
    return *this;
  }
};

struct KvCounts : KvBlockCounts {
  // Since the cache was made. Positions that a new sequence found rather than computed, but for those that the same
  // request had before it lost its memory: recovered_positions counts those.
  int64_t matched_positions = 0;
  int64_t recovered_positions = 0;
  int64_t restored_positions = 0;  // that came from outside the cache
  int64_t abandoned_steps = 0;     // begun, and ended without their rows
  // Rows that were there, and must be computed again: those that abandoned steps cost; and of a sequence that was cut
  // farther back than its windows reach, those between where it goes on and the cut.
  int64_t recomputed_positions = 0;
};

}  // namespace cairn
