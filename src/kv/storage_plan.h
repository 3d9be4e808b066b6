// KvStoragePlan: what a storage is made of, and how many blocks each of its layer groups has. Plain data; what the
// memory plan of an engine is made of too. Inside the kv room.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/prefix_sharing.h"
#include "cairn/status.h"
#include "kv/geometry.h"

namespace cairn {

struct KvCacheOptions;
struct KvMemory;

struct KvStoragePlan {
  KvGeometry geometry;
  int64_t context_blocks = 0;  // of one sequence of `context` positions
  int64_t max_sequences = 0;
  // By group. Of those storages that can have fewer than max_sequences * context_blocks.
  std::vector<int64_t> pool_blocks;
  // Of these, the blocks that no open sequence needs: what sequences have left behind lies there, for later ones.
  std::vector<int64_t> resume_blocks;
  // The most that one sequence keeps between steps.
  std::vector<int64_t> sequence_blocks;
  // The longest block table of a sequence.
  std::vector<int64_t> table_blocks;
  PrefixSharing sharing = PrefixSharing::kOff;
};

// Errors: kInvalidArgument (memory that is too small for what must be there).
Result<KvStoragePlan> make_storage_plan(const KvGeometry& geometry, const KvCacheOptions& options);
// Errors: kInvalidArgument (more than can be counted).
Result<KvMemory> memory_of_storage_plan(const KvStoragePlan& plan, const KvCacheOptions& options);

}  // namespace cairn
