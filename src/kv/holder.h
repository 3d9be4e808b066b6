// KvHolder: one way to hold blocks of keys and values. Inside the kv room only; KvCache is the face.
//
// It fills block tables: table[b] is where positions [b * kBlockSize, (b + 1) * kBlockSize) of a sequence
// lie. Blocks that are in a table keep their bytes; their addresses change only inside grow. A new way is a
// new file with a make_ function, and a line in KvCache::create.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "kv/geometry.h"
#include "kv/kv_cache.h"

namespace cairn {

class KvHolder {
 public:
  virtual ~KvHolder() = default;

  // Blocks are added to the table until it has `block_count` of them (more than it has); or kNoRoom, and
  // nothing changes.
  virtual Room grow(SequenceId sequence, KvBlockTable& table, int64_t block_count) = 0;
  // Blocks from `block_count` on leave the table.
  virtual void shrink(SequenceId sequence, KvBlockTable& table, int64_t block_count) = 0;

  [[nodiscard]] virtual bool keeps_rows() const { return true; }
  [[nodiscard]] virtual uint64_t pool_bytes() const = 0;
  // Blocks that a sequence can have when it is alone.
  [[nodiscard]] virtual int64_t max_blocks_alone() const = 0;
  // Whether the tables and the memory agree; kInternal says where not.
  [[nodiscard]] virtual Status check(std::span<const KvBlockTable> tables) const = 0;
};

// What every holding needs to know.
struct KvHolderPlan {
  KvGeometry geometry;
  int64_t context_blocks = 0;  // of one sequence of `context` positions
  int64_t max_sequences = 0;
  int64_t pool_blocks = 0;  // of those holdings that can have fewer than max_sequences * context_blocks
};

Result<std::unique_ptr<KvHolder>> make_none_holder(const KvHolderPlan& plan);
Result<std::unique_ptr<KvHolder>> make_growing_holder(const KvHolderPlan& plan);
Result<std::unique_ptr<KvHolder>> make_contiguous_holder(const KvHolderPlan& plan);
Result<std::unique_ptr<KvHolder>> make_paged_holder(const KvHolderPlan& plan);

}  // namespace cairn
