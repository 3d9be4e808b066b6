#include "kv/block_pool.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace cairn {

Status check_block_count(int64_t block_count) {
  constexpr int64_t kMaxBlocks = int64_t{1} << 28;
  if (block_count <= kMaxBlocks) return {};
  return resource_exhausted(fmt::format("{} blocks are more than a pool can have", block_count));
}

Result<BlockPool> BlockPool::make(uint64_t block_bytes, int64_t block_count, KvEventLog& events,
                                  int32_t group) {
  CAIRN_RETURN_IF_ERROR(check_block_count(block_count));
  CAIRN_ASSIGN_OR_RETURN(auto memory, PageMemory::allocate(block_bytes * static_cast<uint64_t>(block_count)));
  BlockPool pool(block_bytes, block_count, std::move(memory), events);
  pool.group_ = group;
  return pool;
}

BlockPool::BlockPool(uint64_t block_bytes, int64_t block_count, PageMemory memory, KvEventLog& events)
    : block_bytes_(block_bytes),
      memory_(std::move(memory)),
      blocks_(static_cast<size_t>(block_count)),
      events_(&events) {
  free_.reserve(blocks_.size());
  for (int64_t block = block_count - 1; block >= 0; --block) free_.push_back(static_cast<int32_t>(block));
}

size_t BlockPool::index(BlockId block) const {
  const auto i = static_cast<size_t>(block.value);
  CHECK(i < blocks_.size());
  return i;
}

BlockPool::Block& BlockPool::in_state(BlockId block, BlockState state) {
  Block& b = blocks_[index(block)];
  CHECK(b.state == state);
  return b;
}

void BlockPool::free_block(BlockId block) {
  blocks_[index(block)] = {};
  free_.push_back(block.value);
}

std::optional<BlockId> BlockPool::take() {
  if (free_.empty()) return std::nullopt;
  const BlockId block{free_.back()};
  in_state(block, BlockState::kFree).state = BlockState::kOpen;
  free_.pop_back();
  ++open_count_;
  add_event(KvEventKind::kTaken, block);
  return block;
}

void BlockPool::drop(BlockId block) {
  in_state(block, BlockState::kOpen);
  --open_count_;
  free_block(block);
  add_event(KvEventKind::kDropped, block);
}

void BlockPool::seal(BlockId block) {
  Block& b = in_state(block, BlockState::kOpen);
  --open_count_;
  b.state = BlockState::kHeld;
  b.pin_count = 1;
  add_event(KvEventKind::kSealed, block);
}

void BlockPool::reopen(BlockId block) {
  Block& b = in_state(block, BlockState::kHeld);
  CHECK(b.pin_count == 1);
  ++open_count_;
  b.state = BlockState::kOpen;
  b.pin_count = 0;
  add_event(KvEventKind::kReopened, block);
}

void BlockPool::pin(BlockId block) {
  Block& b = blocks_[index(block)];
  CHECK(b.state == BlockState::kHeld || b.state == BlockState::kIdle);
  if (b.state == BlockState::kIdle) {
    unlink(block);
    b.state = BlockState::kHeld;
  }
  ++b.pin_count;
  add_event(KvEventKind::kPinned, block);
}

void BlockPool::unpin(BlockId block, Unpinned becomes) {
  Block& b = in_state(block, BlockState::kHeld);
  CHECK(b.pin_count >= 1);
  if (--b.pin_count > 0) return add_event(KvEventKind::kUnpinned, block);
  if (becomes == Unpinned::kFree) {
    free_block(block);
    return add_event(KvEventKind::kFreed, block);
  }
  b.state = BlockState::kIdle;
  link_newest(block);
  add_event(KvEventKind::kReleased, block);
}

void BlockPool::evict(BlockId block) {
  in_state(block, BlockState::kIdle);
  unlink(block);
  free_block(block);
  add_event(KvEventKind::kEvicted, block);
}

std::optional<BlockId> BlockPool::oldest_idle() const {
  if (oldest_ == kNone) return std::nullopt;
  return BlockId{oldest_};
}

void BlockPool::link_newest(BlockId block) {
  Block& b = blocks_[index(block)];
  b.older = newest_;
  b.newer = kNone;
  (newest_ == kNone ? oldest_ : blocks_[index({newest_})].newer) = block.value;
  newest_ = block.value;
  ++idle_count_;
}

void BlockPool::unlink(BlockId block) {
  Block& b = blocks_[index(block)];
  (b.older == kNone ? oldest_ : blocks_[index({b.older})].newer) = b.newer;
  (b.newer == kNone ? newest_ : blocks_[index({b.newer})].older) = b.older;
  b.older = b.newer = kNone;
  --idle_count_;
}

Status BlockPool::check() const {
  std::vector<int> listed(blocks_.size(), 0);  // how often each block is in the free or the idle list
  for (const int32_t block : free_) {
    ++listed[static_cast<size_t>(block)];
    if (state({block}) != BlockState::kFree) {
      return internal_error(fmt::format("block {} is in the free list and not free", block));
    }
  }
  int64_t idle = 0;
  for (int32_t block = oldest_; block != kNone; block = blocks_[index({block})].newer, ++idle) {
    ++listed[static_cast<size_t>(block)];
    if (state({block}) != BlockState::kIdle || idle > block_count()) {
      return internal_error(fmt::format("block {} is in the idle list and not idle", block));
    }
  }
  int64_t open = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& b = blocks_[i];
    const bool belongs_to_a_list = b.state == BlockState::kFree || b.state == BlockState::kIdle;
    if (listed[i] != (belongs_to_a_list ? 1 : 0)) {
      return internal_error(fmt::format("block {} is in {} lists", i, listed[i]));
    }
    if ((b.state == BlockState::kHeld) != (b.pin_count > 0)) {
      return internal_error(fmt::format("block {} is pinned {} times in the wrong state", i, b.pin_count));
    }
    if (b.state == BlockState::kOpen) ++open;
  }
  if (idle != idle_count_ || open != open_count_) {
    return internal_error(fmt::format("{} idle and {} open blocks were counted as {} and {}", idle, open,
                                      idle_count_, open_count_));
  }
  return {};
}

}  // namespace cairn
