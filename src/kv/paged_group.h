// PagedGroup: the blocks of one layer group in paged storage: its pool, and its slots in the index of prefixes. What is
// done to a sequence's block is done in each group; room, eviction and the end of twins are each group's own.
// Inside the kv room only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kv/block_owners.h"
#include "kv/block_pool.h"
#include "kv/block_window.h"
#include "kv/kv_counts.h"
#include "kv/prefix_index.h"

namespace cairn {

class PagedGroup {
 public:
  // Without an index nothing is shared. `index`, `accounts` and `events` must outlive it.
  PagedGroup(int32_t group, BlockPool pool, const BlockWindow& window, PrefixIndex* index,
             KvAccounts& accounts, KvEventLog& events);

  [[nodiscard]] const BlockPool& pool() const { return pool_; }
  // Which blocks sequences keep.
  [[nodiscard]] const BlockWindow& window() const { return window_; }
  // Blocks that take could return: free and idle ones.
  [[nodiscard]] int64_t room() const { return pool_.free_count() + pool_.idle_count(); }
  [[nodiscard]] const BlockOwners& owners() const { return owners_; }
  void make_room_for_accounts(int32_t count) { owners_.make_room_for_accounts(count); }
  [[nodiscard]] uint64_t block_bytes() const { return pool_.block_bytes(); }

  // In all that follows `by` is the account of the sequence for which it is done; its quota has been asked.
  // An open block, of `wanted_blocks` that are needed now. There must be room for it: an idle block is evicted where
  // none is free. Its twins in other groups stay until their own turn.
  BlockId take(AccountId by, int64_t wanted_blocks);
  // Likewise, with the bytes of this block.
  BlockId copy_of(AccountId by, BlockId block);
  void drop(BlockId open_block);
  void pin(AccountId by, BlockId sealed_block);
  void release(AccountId by, BlockId sealed_block);
  // Likewise of a block that the sequence's window has passed: where no other sequence has it, it is free, and its name
  // is gone; but one that is kept for later sequences turns idle.
  void pass(AccountId by, BlockId sealed_block);
  // Later sequences may go on behind this sealed block.
  void keep(BlockId sealed_block) { is_kept_[static_cast<size_t>(sealed_block.value)] = 1; }
  // Seals an open block, and names it where prefixes are shared. A block that another sequence has computed already
  // ends as one with it: their bits are the same. Returns the block that stays.
  BlockId seal(AccountId by, BlockId open_block, const PrefixIndex::NewNode* node);
  // Whether reopen needs no block more; and whether it has room where it does.
  [[nodiscard]] bool can_reopen_in_place(BlockId sealed_block) const {
    return index_ == nullptr && pool_.pin_count(sealed_block) == 1;
  }
  [[nodiscard]] bool can_reopen(BlockId sealed_block) const;
  // An open block with the rows of a sealed one, which is let go: itself where no other sequence can find it, else a
  // copy.
  BlockId reopen(AccountId by, BlockId sealed_block);
  // The account's block that has been idle for longest goes, to keep the account within its quota.
  void evict_oldest_of(AccountId account);
  // Whether a pin by a sequence of `by` would be charged to it.
  [[nodiscard]] bool changes_hands(AccountId by, BlockId block) const {
    return owners_.changes_hands(block, by, pool_.state(block));
  }

  // Whether no other sequence has this block.
  [[nodiscard]] bool is_sole(BlockId block) const;
  // Whether it is charged to this account, and to nobody's or idle once the sequence is gone that has it.
  [[nodiscard]] bool is_sole_of(AccountId account, BlockId block) const {
    return owners_.is_sole_of(account, block);
  }
  [[nodiscard]] KvBlockCounts counts() const;
  // `pins`: in how many tables each block is; `own_pins`: of sequences that it is charged to. Adds what is charged to
  // `recounted`.
  [[nodiscard]] Status check(std::span<const int> pins, std::span<const int> own_pins,
                             std::vector<KvOwnerCounts>& recounted) const;

 private:
  void evict(BlockId idle_block, const KvEviction& why);
  void unpin(AccountId by, BlockId block, Unpinned becomes);

  int32_t group_;
  BlockPool pool_;
  BlockOwners owners_;
  BlockWindow window_;
  std::vector<char> is_kept_;  // by block: when sequences pass it, it stays
  PrefixIndex* index_;
  KvEventLog* events_;
  int64_t evicted_blocks_ = 0;
  int64_t unified_blocks_ = 0;
  int64_t passed_blocks_ = 0;
};

}  // namespace cairn
