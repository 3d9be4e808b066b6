// KvHolder: one way to hold blocks of keys and values. Inside the kv room only; KvCache is the face.
//
// It fills block tables: table[b] is where positions [b * kBlockSize, (b + 1) * kBlockSize) of a sequence
// lie. Blocks that are in a table keep their bytes; their addresses change only inside grow, commit, truncate
// and fork. A new way is a new file with a make_ function, and a line in KvCache::create.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "kv/geometry.h"
#include "kv/kv_cache.h"

namespace cairn {

class KvHolder {
 public:
  virtual ~KvHolder() = default;

  // Fills the empty table of a new sequence with the blocks that are there already for a beginning of these
  // tokens, pinned. Answers how many positions they hold. The other ways than paged find nothing.
  virtual int64_t match(SequenceId, KvBlockTable&, std::span<const TokenId>, std::string_view) { return 0; }
  // Blocks are added to the table until it has `block_count` of them (more than it has); or kNoRoom, and
  // nothing changes.
  virtual Room grow(SequenceId sequence, KvBlockTable& table, int64_t block_count) = 0;
  // Rows of these tokens were stored behind the first `length`.
  virtual void commit(SequenceId, KvBlockTable&, int64_t, std::span<const TokenId>) {}
  // Rows before `positions` stay, later ones and room that they do not need go. Where that cuts a sealed
  // block and there is no memory to go on in a copy of it, its rows go too. Answers how many rows stay.
  virtual int64_t truncate(SequenceId sequence, KvBlockTable& table, int64_t positions) = 0;
  // `copy`, empty, gets the first `length` rows of `original`; or kNoRoom, and nothing changes.
  virtual Room fork(SequenceId original, const KvBlockTable& table, int64_t length, SequenceId copy,
                    KvBlockTable& copy_table) = 0;

  [[nodiscard]] virtual bool keeps_rows() const { return true; }
  [[nodiscard]] virtual uint64_t pool_bytes() const = 0;
  // Bytes of the blocks that sequences have now, each block counted once.
  [[nodiscard]] virtual uint64_t used_bytes() const = 0;
  // Blocks that a sequence can have when it is alone.
  [[nodiscard]] virtual int64_t max_blocks_alone() const = 0;
  [[nodiscard]] virtual KvCounts counts() const { return {}; }
  // Whether the tables and the memory agree; kInternal says where not.
  [[nodiscard]] virtual Status check(std::span<const KvBlockTable> tables) const = 0;
};

// What every holding needs to know.
struct KvHolderPlan {
  KvGeometry geometry;
  int64_t context_blocks = 0;  // of one sequence of `context` positions
  int64_t max_sequences = 0;
  int64_t pool_blocks = 0;  // of those holdings that can have fewer than max_sequences * context_blocks
  KvSharing sharing = KvSharing::kPrefixes;
};

Result<std::unique_ptr<KvHolder>> make_none_holder(const KvHolderPlan& plan);
Result<std::unique_ptr<KvHolder>> make_growing_holder(const KvHolderPlan& plan);
Result<std::unique_ptr<KvHolder>> make_contiguous_holder(const KvHolderPlan& plan);
Result<std::unique_ptr<KvHolder>> make_paged_holder(const KvHolderPlan& plan);

}  // namespace cairn
