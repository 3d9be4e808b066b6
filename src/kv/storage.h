// KvStorage: one way to store blocks of keys and values. Inside the kv room only; KvCache is the face.
//
// It owns the block tables: a sequence's table says which block holds positions [b * kBlockSize, (b + 1) * kBlockSize).
// Blocks that are in a table keep their bytes; where they are changes only inside grow, commit, truncate and fork.
// A new kind is a new file with a make_ function, a KvStorageKind and its lines in kv_cache.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/prefix_sharing.h"
#include "cairn/status.h"
#include "kernels/kv_view.h"
#include "kv/block_name.h"
#include "kv/geometry.h"
#include "kv/kv_counts.h"
#include "kv/kv_event_log.h"
#include "kv/match_report.h"
#include "kv/sequence_id.h"

namespace cairn {

// Whether there was memory.
enum class [[nodiscard]] Room : uint8_t { kOk, kNoRoom };

struct KvBlockTable {
  int32_t first_block = 0;      // of the sequence; earlier ones are no longer kept
  std::vector<BlockId> blocks;  // capacity for the whole context from the start

  [[nodiscard]] int64_t end_block() const { return first_block + std::ssize(blocks); }
};

// What every storage needs to know.
struct KvStoragePlan {
  KvGeometry geometry;
  int64_t context_blocks = 0;  // of one sequence of `context` positions
  int64_t max_sequences = 0;
  int64_t pool_blocks = 0;  // of those storages that can have fewer than max_sequences * context_blocks
  PrefixSharing sharing = PrefixSharing::kOff;
};

class KvStorage {
 public:
  explicit KvStorage(const KvStoragePlan& plan);
  // Bytes of bookkeeping that storages of this plan take beside their blocks, at most.
  [[nodiscard]] static uint64_t table_bytes_for(const KvStoragePlan& plan);
  virtual ~KvStorage() = default;
  KvStorage(const KvStorage&) = delete;
  KvStorage& operator=(const KvStorage&) = delete;

  // Fills the empty table of a new sequence with the blocks that are there already for a beginning of these tokens,
  // pinned. Only paged storage finds any.
  virtual KvMatchReport match(SequenceId, std::span<const TokenId> tokens, const PrefixNames&);
  // Positions that match would find.
  [[nodiscard]] virtual int64_t findable(std::span<const TokenId>, const PrefixNames&) const { return 0; }
  // Adds blocks to the table until it ends with block `end_block`, exclusive; or returns kNoRoom and changes nothing.
  virtual Room grow(SequenceId sequence, int64_t end_block) = 0;
  // How many blocks grow lacks; 0: there is room.
  [[nodiscard]] virtual int64_t missing_blocks(SequenceId sequence, int64_t end_block) const = 0;
  // Blocks that are room for others once this sequence is gone.
  [[nodiscard]] virtual int64_t sole_blocks(SequenceId sequence) const = 0;
  // Rows of these tokens were stored after the first `length`.
  virtual void commit(SequenceId, int64_t, std::span<const TokenId>) {}
  // Rows before `positions` stay; later ones go, and so does room that the rest does not need. Where that cuts a
  // sealed block and there is no memory for a copy of it, its rows go too. Returns how many rows stay.
  virtual int64_t truncate(SequenceId sequence, int64_t positions) = 0;
  // `copy`, empty, gets the first `length` rows of `original`; or returns kNoRoom and changes nothing.
  virtual Room fork(SequenceId original, int64_t length, SequenceId copy) = 0;

  // Where a sequence's blocks are; its open rows are not the storage's.
  [[nodiscard]] virtual KvSequenceView view(SequenceId sequence) const = 0;
  [[nodiscard]] const KvBlockTable& table(SequenceId sequence) const {
    return tables_[static_cast<size_t>(sequence.value)];
  }
  [[nodiscard]] virtual bool keeps_rows() const { return true; }
  [[nodiscard]] virtual uint64_t pool_bytes() const = 0;
  // Bytes of the blocks that sequences have now, each block counted once.
  [[nodiscard]] virtual uint64_t used_bytes() const = 0;
  // Blocks that a sequence can have when it is alone.
  [[nodiscard]] virtual int64_t max_blocks_alone() const = 0;
  [[nodiscard]] virtual KvCounts counts() const { return {}; }
  // Whether the tables and the memory agree; kInternal says where not.
  [[nodiscard]] virtual Status check() const = 0;

 protected:
  [[nodiscard]] KvBlockTable& own_table(SequenceId sequence) {
    return tables_[static_cast<size_t>(sequence.value)];
  }
  [[nodiscard]] int64_t block_bytes() const { return static_cast<int64_t>(plan_.geometry.block_bytes()); }

  KvStoragePlan plan_;
  std::vector<KvBlockTable> tables_;  // by sequence
};

// `events` must outlive the storage. The other two have no blocks that anything happens to.
Result<std::unique_ptr<KvStorage>> make_none_storage(const KvStoragePlan& plan, KvEventLog& events);
Result<std::unique_ptr<KvStorage>> make_paged_storage(const KvStoragePlan& plan, KvEventLog& events);
Result<std::unique_ptr<KvStorage>> make_growing_storage(const KvStoragePlan& plan);
Result<std::unique_ptr<KvStorage>> make_contiguous_storage(const KvStoragePlan& plan);

}  // namespace cairn
