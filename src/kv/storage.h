// KvStorage: one way to store blocks of keys and values. Inside the kv room only; KvCache is the face.
//
// It owns the block tables, one for each sequence and layer group: a table says which of the group's blocks holds
// positions [b * kBlockSize, (b + 1) * kBlockSize). Blocks that are in a table keep their bytes; where they are changes
// only inside grow, begin_rows, commit, truncate and fork. All tables of a sequence end with the same block; but where a
// group gives back what is out of its window, its tables begin late, and take blocks for a step's rows only.
// A new kind is a new file with a make_ function, a KvStorageKind and its lines in kv_cache.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "kernels/kv_view.h"
#include "kv/block_name.h"
#include "kv/kv_counts.h"
#include "kv/kv_event_log.h"
#include "kv/kv_owner.h"
#include "kv/match_report.h"
#include "kv/prefix_node.h"
#include "kv/sealed_block.h"
#include "kv/sequence_id.h"
#include "kv/storage_plan.h"

namespace cairn {

// Whether there was memory.
enum class [[nodiscard]] Room : uint8_t {
  kOk,
  kNoRoom,
  kOverQuota,     // its owner may have no more before others of the owner's sequences let go of some
  kExceedsQuota,  // its owner may not have so much, even where nothing else is charged to it
};

struct KvBlockTable {
  int64_t sink_blocks = 0;      // the first blocks of the sequence, which stay
  int64_t first_block = 0;      // at least sink_blocks; those from there up to it are no longer kept
  std::vector<BlockId> blocks;  // capacity from the start

  // Block `block` of the sequence.
  [[nodiscard]] BlockId& at(int64_t block) { return blocks[place(block)]; }
  [[nodiscard]] BlockId at(int64_t block) const { return blocks[place(block)]; }
  [[nodiscard]] int64_t end_block() const { return first_block - sink_blocks + std::ssize(blocks); }
  // The first after `block` that is kept.
  [[nodiscard]] int64_t next(int64_t block) const {
    return block + 1 < sink_blocks ? block + 1 : std::max(block + 1, first_block);
  }
  [[nodiscard]] int64_t begin() const { return sink_blocks > 0 ? 0 : first_block; }

 private:
  [[nodiscard]] size_t place(int64_t block) const {
    return static_cast<size_t>(block < sink_blocks ? block : block - first_block + sink_blocks);
  }
};

class KvStorage {
 public:
  explicit KvStorage(const KvStoragePlan& plan);
  virtual ~KvStorage() = default;
  KvStorage(const KvStorage&) = delete;
  KvStorage& operator=(const KvStorage&) = delete;

  // To whom a new sequence's blocks are charged; of a fork it is the original's. Only paged storage has owners.
  virtual void set_owner(SequenceId, KvOwner) {}
  // Fills the empty table of a new sequence with the blocks that are there already for a beginning of these tokens,
  // pinned. Only paged storage finds any.
  virtual KvMatchReport match(SequenceId, std::span<const TokenId> tokens, const PrefixNames&);
  // Positions that match would find.
  [[nodiscard]] virtual int64_t findable(std::span<const TokenId>, const PrefixNames&) const { return 0; }
  // Adds blocks to the sequence's tables until they end with block `end_block`, exclusive; or returns kNoRoom, where
  // one group has no room, or what the owner's quota says, and changes nothing in any.
  virtual Room grow(SequenceId sequence, int64_t end_block) = 0;
  // How many of a group's blocks grow lacks; 0: there is room.
  [[nodiscard]] virtual int64_t missing_blocks(SequenceId sequence, int64_t end_block,
                                               int32_t group) const = 0;
  // Blocks of a group that are room for others once this sequence is gone.
  [[nodiscard]] virtual int64_t sole_blocks(SequenceId sequence, int32_t group) const = 0;
  // There is room up to `end_block` already: promises what a step over the sequence may take beside it, in groups with a
  // window, or returns what its owner's quota says.
  virtual Room promise(SequenceId, int64_t /*end_block*/) { return Room::kOk; }
  // How many bytes the owner's quota lacks for so many blocks, where all that is idle were gone; and how many of those that
  // are charged to the owner, and not idle, this sequence alone has.
  [[nodiscard]] virtual uint64_t quota_shortage(SequenceId, int64_t /*end_block*/) const { return 0; }
  [[nodiscard]] virtual uint64_t sole_quota_bytes(SequenceId) const { return 0; }
  // Errors: kUnsupported. May throw.
  virtual Status set_quota(KvOwner owner, std::optional<uint64_t> quota_bytes);
  [[nodiscard]] virtual KvOwnerCounts owner_counts(KvOwner owner) const {
    return {.owner = owner, .quota_bytes = {}};
  }
  // Of all owners that have a name, in the order in which they got it. Allocates.
  [[nodiscard]] virtual std::vector<KvOwnerCounts> owner_counts() const { return {}; }
  // A step is about to store rows up to `positions`, for which there is room.
  virtual void begin_rows(SequenceId, int64_t /*positions*/) {}
  // It did not: the sequence has `length` rows.
  virtual void abandon_rows(SequenceId, int64_t /*length*/) {}
  // Rows of these tokens were stored after the first `length`.
  virtual void commit(SequenceId, int64_t, std::span<const TokenId>) {}
  // Shows every block that gets a name, from now on. NOLINTNEXTLINE(performance-unnecessary-value-param): some keep it
  virtual void watch_sealed(SealedBlockVisitor) {}
  // Shows that visitor a sealed block of the sequence once more, where every group still has it.
  virtual void show_sealed_again(SequenceId, const NamedText&, int64_t /*block*/) {}
  // Rows before `positions` stay; later ones go, and so does room that the rest does not need. Where that cuts a
  // sealed block and there is no memory for a copy of it, its rows go too; where a group no longer has what queries from
  // there on see, all rows up to the last block end from which every group can go on. Returns how many rows stay.
  // `text`: as KvCache::truncate; may be null.
  virtual int64_t truncate(SequenceId sequence, int64_t positions, const NamedText* text) = 0;
  // Later sequences may go on from the last block end before `positions`: what groups with a window need for that is
  // kept when this sequence has passed it.
  virtual void keep_tail(SequenceId, int64_t /*positions*/) {}
  // `copy`, empty, gets the first `length` rows of `original`; or returns kNoRoom or kOverQuota and changes nothing.
  virtual Room fork(SequenceId original, int64_t length, SequenceId copy) = 0;
  [[nodiscard]] virtual bool fork_exceeds_quota(SequenceId, int64_t /*length*/) const { return false; }

  // Where a sequence's blocks of a group are; its open rows are not the storage's.
  [[nodiscard]] virtual KvSequenceView view(SequenceId sequence, int32_t group) const = 0;
  [[nodiscard]] const KvBlockTable& table(SequenceId sequence, int32_t group) const {
    return tables_[table_index(sequence, group)];
  }
  // Where a sequence's room ends.
  [[nodiscard]] virtual int64_t end_block(SequenceId sequence) const {
    return table(sequence, 0).end_block();
  }
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
