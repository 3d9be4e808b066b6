// BlockPool: a fixed number of blocks of one size in one stretch of memory, and the state of each. A layer group has
// one.
//
//   free -> open -> held <-> idle -> free            open -> free, held -> free (of blocks without a name)
//
// open: one writer fills it.  held: complete, pinned by leases (pin_count >= 1).  idle: complete and named,
// not pinned, waiting to be found again or evicted. Always true: each block is in exactly one state and
// the counts add up; idle blocks are listed in the order in which they became idle, the oldest first, which is
// the order of eviction. Free blocks are a stack: the last one freed is taken first, so pages that were never
// needed are never touched. Each arrow is one event. Nothing is allocated after `make`. Inside the kv room only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/memory.h"
#include "cairn/status.h"
#include "kernels/kv_view.h"
#include "kv/kv_event_log.h"

namespace cairn {

// Blocks are counted in 32 bits; 2^28 of them are 8.6 billion positions. kResourceExhausted beyond.
[[nodiscard]] Status check_block_count(int64_t block_count);

enum class BlockState : uint8_t { kFree, kOpen, kHeld, kIdle };

// What a held block becomes when its last pin goes.
enum class Unpinned : uint8_t { kIdle, kFree };

class BlockPool {
 public:
  // `block_bytes` is a multiple of 64; `events` must outlive the pool. kResourceExhausted where there is no memory.
  // `group` is what its events say.
  static Result<BlockPool> make(uint64_t block_bytes, int64_t block_count, KvEventLog& events,
                                int32_t group = 0);

  // The arrows. Each takes a block in the state that it leaves; anything else is a bug (CHECK).
  std::optional<BlockId> take();                // free -> open; nothing where none is free
  void drop(BlockId block);                     // open -> free
  void seal(BlockId block);                     // open -> held, pinned once
  void reopen(BlockId block);                   // held -> open, of a block that is pinned once
  void pin(BlockId block);                      // held or idle -> held, pinned once more
  void unpin(BlockId block, Unpinned becomes);  // pinned once less; held -> idle or free with the last
  void evict(BlockId block);                    // idle -> free

  // The block that has been idle for longest.
  [[nodiscard]] std::optional<BlockId> oldest_idle() const;

  [[nodiscard]] std::byte* data() const { return memory_.data(); }
  [[nodiscard]] std::byte* data(BlockId block) const {
    return memory_.data() + static_cast<uint64_t>(block.value) * block_bytes_;
  }
  [[nodiscard]] BlockState state(BlockId block) const { return blocks_[index(block)].state; }
  [[nodiscard]] int32_t pin_count(BlockId block) const { return blocks_[index(block)].pin_count; }
  [[nodiscard]] int64_t block_count() const { return static_cast<int64_t>(blocks_.size()); }
  [[nodiscard]] int64_t free_count() const { return static_cast<int64_t>(free_.size()); }
  [[nodiscard]] int64_t idle_count() const { return idle_count_; }
  [[nodiscard]] int64_t open_count() const { return open_count_; }
  [[nodiscard]] int64_t held_count() const {
    return block_count() - free_count() - idle_count_ - open_count_;
  }
  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }
  [[nodiscard]] uint64_t block_bytes() const { return block_bytes_; }
  // Recounts everything; kInternal names the first thing that does not add up.
  [[nodiscard]] Status check() const;

 private:
  static constexpr int32_t kNone = -1;  // end of the idle list
  struct Block {
    BlockState state = BlockState::kFree;
    int32_t pin_count = 0;
    int32_t older = kNone;  // neighbours in the idle list
    int32_t newer = kNone;
  };

  BlockPool(uint64_t block_bytes, int64_t block_count, PageMemory memory, KvEventLog& events);
  [[nodiscard]] size_t index(BlockId block) const;
  Block& in_state(BlockId block, BlockState state);
  void add_event(KvEventKind kind, BlockId block) { events_->of_block(kind, group_, block); }
  void free_block(BlockId block);
  void link_newest(BlockId block);
  void unlink(BlockId block);

  uint64_t block_bytes_;
  PageMemory memory_;
  std::vector<Block> blocks_;
  std::vector<int32_t> free_;  // a stack
  int32_t oldest_ = kNone;
  int32_t newest_ = kNone;
  int64_t idle_count_ = 0;
  int64_t open_count_ = 0;
  KvEventLog* events_;
  int32_t group_ = 0;
};

}  // namespace cairn
