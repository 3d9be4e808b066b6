// PagedGroup: the blocks of one layer group in paged storage: its pool, and its slots in the index of prefixes. What is
// done to a sequence's block is done in each group; room, eviction and the end of twins are each group's own.
// Inside the kv room only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kv/block_pool.h"
#include "kv/block_window.h"
#include "kv/kv_counts.h"
#include "kv/prefix_index.h"

namespace cairn {

class PagedGroup {
 public:
  // Without an index nothing is shared. `index` and `events` must outlive it.
  PagedGroup(int32_t group, BlockPool pool, const BlockWindow& window, PrefixIndex* index,
             KvEventLog& events);

  [[nodiscard]] const BlockPool& pool() const { return pool_; }
  // Which blocks sequences keep.
  [[nodiscard]] const BlockWindow& window() const { return window_; }
  // Blocks that take could return: free and idle ones.
  [[nodiscard]] int64_t room() const { return pool_.free_count() + pool_.idle_count(); }
  // An open block, of `wanted_blocks` that are needed now. There must be room for it: an idle block is evicted where
  // none is free. Its twins in other groups stay until their own turn.
  BlockId take(int64_t wanted_blocks);
  // Likewise, with the bytes of this block.
  BlockId copy_of(BlockId block);
  void drop(BlockId open_block) { pool_.drop(open_block); }
  void pin(BlockId sealed_block) { pool_.pin(sealed_block); }
  void release(BlockId sealed_block);
  // Likewise of a block that the sequence's window has passed: where no other sequence has it, it is free, and its name
  // is gone; but one that is kept for later sequences turns idle.
  void pass(BlockId sealed_block);
  // Later sequences may go on behind this sealed block.
  void keep(BlockId sealed_block) { is_kept_[static_cast<size_t>(sealed_block.value)] = 1; }
  // Seals an open block, and names it where prefixes are shared. A block that another sequence has computed already
  // ends as one with it: their bits are the same. Returns the block that stays.
  BlockId seal(BlockId open_block, const PrefixIndex::NewNode* node);
  // Whether reopen has room where it needs any.
  [[nodiscard]] bool can_reopen(BlockId sealed_block) const;
  // An open block with the rows of a sealed one, which is let go: itself where no other sequence can find it, else a
  // copy.
  BlockId reopen(BlockId sealed_block);

  // Whether no other sequence has this block.
  [[nodiscard]] bool is_sole(BlockId block) const;
  [[nodiscard]] KvBlockCounts counts() const;
  // `pins`: in how many tables each block is.
  [[nodiscard]] Status check(std::span<const int> pins) const;

 private:
  [[nodiscard]] bool can_reopen_in_place(BlockId sealed_block) const {
    return index_ == nullptr && pool_.pin_count(sealed_block) == 1;
  }

  int32_t group_;
  BlockPool pool_;
  BlockWindow window_;
  std::vector<char> is_kept_;  // by block: when sequences pass it, it stays
  PrefixIndex* index_;
  KvEventLog* events_;
  int64_t evicted_blocks_ = 0;
  int64_t unified_blocks_ = 0;
  int64_t passed_blocks_ = 0;
};

}  // namespace cairn
