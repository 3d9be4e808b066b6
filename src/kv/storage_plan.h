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
  int64_t step_rows = 0;
  // By group. Of those storages that can have fewer than max_sequences * context_blocks.
  std::vector<int64_t> pool_blocks;
  // Of these, the blocks that no open sequence needs: what sequences have left behind lies there, for later ones.
  std::vector<int64_t> resume_blocks;
  // The most that one sequence keeps between steps.
  std::vector<int64_t> sequence_blocks;
  // The longest block table of a sequence.
  std::vector<int64_t> table_blocks;
  PrefixSharing sharing = PrefixSharing::kOff;
  // Prefixes that stay known without a block.
  int64_t ghost_count = 0;
  // Whether groups whose layers see a window give back what is out of it. The other storages keep all rows, or none.
  bool forgets = false;

  // What a group need not keep the rest of.
  [[nodiscard]] Visibility window(int32_t group) const {
    return forgets ? geometry.visibility(group) : Visibility();
  }
};

// Errors: kInvalidArgument (memory that is too small for what must be there).
Result<KvStoragePlan> make_storage_plan(const KvGeometry& geometry, const KvCacheOptions& options);
// Errors: kInvalidArgument (more than can be counted).
Result<KvMemory> memory_of_storage_plan(const KvStoragePlan& plan, const KvCacheOptions& options);

}  // namespace cairn
