// BlockPool: a fixed number of blocks of one size in one stretch of memory.
//
// Always true: each block is either free or taken, never both; free_count() + taken_count() == block_count().
// The last block given back is the first one taken again: its bytes are the likeliest to be in a CPU cache,
// and pages that were never needed are never touched. Inside the kv room only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "cairn/status.h"
#include "kv/kv_cache.h"

namespace cairn {

class BlockPool {
 public:
  // `block_bytes` is a multiple of 64. kResourceExhausted where there is no memory.
  static Result<BlockPool> make(uint64_t block_bytes, int64_t block_count);

  // Adds free blocks to `table` until it has `block_count` of them, or changes nothing.
  Room grow(KvBlockTable& table, int64_t block_count);
  // Gives the blocks from `block_count` on back.
  void shrink(KvBlockTable& table, int64_t block_count);

  [[nodiscard]] int64_t block_count() const { return static_cast<int64_t>(taken_.size()); }
  [[nodiscard]] int64_t free_count() const { return static_cast<int64_t>(free_.size()); }
  [[nodiscard]] int64_t taken_count() const { return block_count() - free_count(); }
  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }
  // Whether exactly the taken blocks are in the tables, each once, and exactly the others in the free list.
  [[nodiscard]] Status check(std::span<const KvBlockTable> tables) const;

 private:
  BlockPool(uint64_t block_bytes, int64_t block_count, PageMemory memory);
  [[nodiscard]] int64_t index_of(const std::byte* block) const;

  uint64_t block_bytes_;
  PageMemory memory_;
  std::vector<int32_t> free_;   // a stack
  std::vector<uint8_t> taken_;  // by block: 1 if it is in a table
};

}  // namespace cairn
