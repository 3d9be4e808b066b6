// EngineSnapshot: how an engine stands between two steps, for whoever watches it (metrics). Plain data, and a copy:
// EngineThread::query([](Engine& engine) { return engine.snapshot(); }).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/sequence.h"
#include "kv/kv_counts.h"
#include "kv/kv_owner.h"
#include "kv/tiers/block_tiers.h"

namespace cairn {

// Since the engine was made.
struct EngineCounts {
  int64_t steps = 0;         // whose rows were computed
  int64_t prompt_rows = 0;   // of these steps: at positions of prompts, those that ran again too
  int64_t decode_rows = 0;   // ... and at later positions
  int64_t failed_steps = 0;  // whose pass failed: their rows were lost
  int64_t draft_tokens = 0;  // that ran as guesses, and of these, those that were what was picked
  int64_t accepted_draft_tokens = 0;
  int64_t preemptions = 0;    // requests that lost rows which they had computed
  int64_t quota_waits = 0;    // requests that were held back, or stood still, because of their tenant's quota
  int64_t reused_tokens = 0;  // of all prompts that began; and all tokens of these prompts
  int64_t prompt_tokens = 0;
};

struct EngineSnapshot {
  std::array<int64_t, kSequenceStates> requests{};  // by SequenceState; those that have ended are not kept
  EngineCounts counts;
  int64_t max_sequences = 0;
  int64_t context = 0;
  KvCounts blocks;                    // of all layer groups
  std::vector<KvBlockCounts> groups;  // of each
  std::vector<uint64_t> group_bytes;  // of a block, by layer group
  uint64_t pool_bytes = 0;            // taken for blocks, used or not
  uint64_t used_bytes = 0;            // of blocks that sequences have, shared ones once
  uint64_t open_rows_bytes = 0;
  std::optional<BlockTierCounts> tiers;
  std::vector<KvOwnerCounts> owners;  // every owner that KvCache::set_quota has named, in order

  [[nodiscard]] int64_t count_of(SequenceState state) const { return requests[static_cast<size_t>(state)]; }
};

}  // namespace cairn
