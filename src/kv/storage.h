// KvStorage: one way to store blocks of keys and values. Inside the kv room only; KvCache is the face.
//
// It owns the block tables, one for each sequence and layer group: a table says which of the group's blocks holds
// positions [b * kBlockSize, (b + 1) * kBlockSize). Blocks that are in a table keep their bytes; where they are changes
// only inside grow, commit, truncate and fork. All tables of a sequence end with the same block.
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
#include "kv/prefix_node.h"
#include "kv/sequence_id.h"

namespace cairn {

// Whether there was memory.
enum class [[nodiscard]] Room : uint8_t { kOk, kNoRoom };

struct KvBlockTable {
  int32_t first_block = 0;      // of the sequence; earlier ones are no longer kept
  std::vector<BlockId> blocks;  // capacity for the whole context from the start

  // Block `block` of the sequence.
  [[nodiscard]] BlockId& at(int64_t block) { return blocks[static_cast<size_t>(block - first_block)]; }
  [[nodiscard]] BlockId at(int64_t block) const { return blocks[static_cast<size_t>(block - first_block)]; }
  [[nodiscard]] int64_t end_block() const { return first_block + std::ssize(blocks); }
};

// What every storage needs to know.
struct KvStoragePlan {
  KvGeometry geometry;
  int64_t context_blocks = 0;  // of one sequence of `context` positions
  int64_t max_sequences = 0;
  // By group: of those storages that can have fewer than max_sequences * context_blocks.
  std::vector<int64_t> pool_blocks;
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
  // Adds blocks to the sequence's tables until they end with block `end_block`, exclusive; or returns kNoRoom, where
  // one group has no room, and changes nothing in any.
  virtual Room grow(SequenceId sequence, int64_t end_block) = 0;
  // How many of a group's blocks grow lacks; 0: there is room.
  [[nodiscard]] virtual int64_t missing_blocks(SequenceId sequence, int64_t end_block,
                                               int32_t group) const = 0;
  // Blocks of a group that are room for others once this sequence is gone.
  [[nodiscard]] virtual int64_t sole_blocks(SequenceId sequence, int32_t group) const = 0;
  // Rows of these tokens were stored after the first `length`.
  virtual void commit(SequenceId, int64_t, std::span<const TokenId>) {}
  // Rows before `positions` stay; later ones go, and so does room that the rest does not need. Where that cuts a
  // sealed block and there is no memory for a copy of it, its rows go too. Returns how many rows stay.
  virtual int64_t truncate(SequenceId sequence, int64_t positions) = 0;
  // `copy`, empty, gets the first `length` rows of `original`; or returns kNoRoom and changes nothing.
  virtual Room fork(SequenceId original, int64_t length, SequenceId copy) = 0;

  // Where a sequence's blocks of a group are; its open rows are not the storage's.
  [[nodiscard]] virtual KvSequenceView view(SequenceId sequence, int32_t group) const = 0;
  [[nodiscard]] const KvBlockTable& table(SequenceId sequence, int32_t group) const {
    return tables_[table_index(sequence, group)];
  }
  // Where all tables of a sequence end.
  [[nodiscard]] int64_t end_block(SequenceId sequence) const { return table(sequence, 0).end_block(); }
  [[nodiscard]] int32_t group_count() const { return plan_.geometry.group_count(); }
  [[nodiscard]] virtual bool keeps_rows() const { return true; }
  [[nodiscard]] virtual uint64_t pool_bytes() const = 0;
  // Bytes of the blocks that sequences have now, each block counted once.
  [[nodiscard]] virtual uint64_t used_bytes() const = 0;
  // Blocks that a sequence can have when it is alone.
  [[nodiscard]] virtual int64_t max_blocks_alone() const = 0;
  [[nodiscard]] virtual KvBlockCounts counts(int32_t /*group*/) const { return {}; }
  // Shows what is known of prefixes.
  virtual void walk(const KvPrefixVisitor&) const {}
  // Whether the tables and the memory agree; kInternal says where not.
  [[nodiscard]] virtual Status check() const = 0;

 protected:
  [[nodiscard]] KvBlockTable& own_table(SequenceId sequence, int32_t group) {
    return tables_[table_index(sequence, group)];
  }
  // For vectors with an entry for each sequence and group, as the tables.
  [[nodiscard]] size_t table_index(SequenceId sequence, int32_t group) const {
    return static_cast<size_t>(sequence.value) * static_cast<size_t>(group_count()) +
           static_cast<size_t>(group);
  }
  [[nodiscard]] int64_t block_bytes(int32_t group) const {
    return static_cast<int64_t>(plan_.geometry.block_bytes(group));
  }
  // Whether all tables of each sequence end with the same block.
  [[nodiscard]] Status check_ends() const;

  KvStoragePlan plan_;
  std::vector<KvBlockTable> tables_;  // [sequence][group]
};

// `events` must outlive the storage. The other two have no blocks that anything happens to.
Result<std::unique_ptr<KvStorage>> make_none_storage(const KvStoragePlan& plan, KvEventLog& events);
Result<std::unique_ptr<KvStorage>> make_paged_storage(const KvStoragePlan& plan, KvEventLog& events);
Result<std::unique_ptr<KvStorage>> make_growing_storage(const KvStoragePlan& plan);
Result<std::unique_ptr<KvStorage>> make_contiguous_storage(const KvStoragePlan& plan);

}  // namespace cairn
