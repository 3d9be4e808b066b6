#include "kv/block_pool.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace cairn {

Result<BlockPool> BlockPool::make(uint64_t block_bytes, int64_t block_count) {
  // Blocks are counted in 32 bits; 2^28 of them are 8.6 billion positions.
  constexpr int64_t kMaxBlocks = int64_t{1} << 28;
  if (block_count > kMaxBlocks) {
    return resource_exhausted(fmt::format("{} blocks are more than a pool can have", block_count));
  }
  CAIRN_ASSIGN_OR_RETURN(auto memory, PageMemory::allocate(block_bytes * static_cast<uint64_t>(block_count)));
  return BlockPool(block_bytes, block_count, std::move(memory));
}

BlockPool::BlockPool(uint64_t block_bytes, int64_t block_count, PageMemory memory)
    : block_bytes_(block_bytes), memory_(std::move(memory)), taken_(static_cast<size_t>(block_count), 0) {
  free_.reserve(taken_.size());
  for (int64_t block = block_count - 1; block >= 0; --block) free_.push_back(static_cast<int32_t>(block));
}

int64_t BlockPool::index_of(const std::byte* block) const {
  return (block - memory_.data()) / static_cast<int64_t>(block_bytes_);
}

Room BlockPool::grow(KvBlockTable& table, int64_t block_count) {
  const int64_t wanted = block_count - static_cast<int64_t>(table.size());
  if (wanted > free_count()) return Room::kNoRoom;
  for (int64_t i = 0; i < wanted; ++i) {
    const int32_t block = free_.back();
    free_.pop_back();
    uint8_t& taken = taken_[static_cast<size_t>(block)];
    CHECK(taken == 0);
    taken = 1;
    table.push_back(memory_.data() + static_cast<uint64_t>(block) * block_bytes_);
  }
  return Room::kOk;
}

void BlockPool::shrink(KvBlockTable& table, int64_t block_count) {
  while (static_cast<int64_t>(table.size()) > block_count) {
    const int64_t block = index_of(table.back());
    table.pop_back();
    uint8_t& taken = taken_[static_cast<size_t>(block)];
    CHECK(taken == 1);
    taken = 0;
    free_.push_back(static_cast<int32_t>(block));
  }
}

Status BlockPool::check(std::span<const KvBlockTable> tables) const {
  std::vector<int> seen(taken_.size(), 0);  // how often each block is in the free list or in a table
  for (const int32_t block : free_) {
    ++seen[static_cast<size_t>(block)];
    if (taken_[static_cast<size_t>(block)] != 0) {
      return internal_error(fmt::format("block {} is in the free list and marked as taken", block));
    }
  }
  for (const KvBlockTable& table : tables) {
    for (const std::byte* address : table) {
      const int64_t block = index_of(address);
      if (block < 0 || block >= block_count() ||
          address != memory_.data() + static_cast<uint64_t>(block) * block_bytes_) {
        return internal_error("a block table holds an address that is no block of the pool");
      }
      ++seen[static_cast<size_t>(block)];
      if (taken_[static_cast<size_t>(block)] != 1) {
        return internal_error(fmt::format("block {} is in a block table and marked as free", block));
      }
    }
  }
  for (size_t block = 0; block < seen.size(); ++block) {
    if (seen[block] != 1) return internal_error(fmt::format("block {} is in {} places", block, seen[block]));
  }
  return {};
}

}  // namespace cairn
