// UnsharedStorage: what the storages have in common in which every sequence has its rows for itself: blocks of
// a sequence lie side by side, a fork copies them, and used blocks are counted. Inside the kv room only.
#pragma once

#include <cstring>

#include "kv/storage.h"

namespace cairn {

class UnsharedStorage : public KvStorage {
 public:
  using KvStorage::KvStorage;

  Room fork(SequenceId original, int64_t length, SequenceId copy) override {
    const int64_t block_count = KvGeometry::blocks_for(length);
    if (block_count == 0) return Room::kOk;
    if (grow(copy, block_count) == Room::kNoRoom) return Room::kNoRoom;
    std::memcpy(view(copy).block(0), view(original).block(0),
                static_cast<uint64_t>(block_count * block_bytes()));
    return Room::kOk;
  }
  [[nodiscard]] uint64_t used_bytes() const override {
    return static_cast<uint64_t>(used_blocks_ * block_bytes());
  }

 protected:
  void cut_table(SequenceId sequence, int64_t positions) {
    std::vector<BlockId>& blocks = own_table(sequence).blocks;
    used_blocks_ -= std::ssize(blocks);
    blocks.resize(static_cast<size_t>(KvGeometry::blocks_for(positions)));
    used_blocks_ += std::ssize(blocks);
  }
  void grow_table(SequenceId sequence, int64_t end_block, int32_t first_id) {
    std::vector<BlockId>& blocks = own_table(sequence).blocks;
    used_blocks_ += end_block - std::ssize(blocks);
    for (auto b = static_cast<int32_t>(blocks.size()); b < end_block; ++b) blocks.push_back({first_id + b});
  }
  // Whether the blocks of a table are first_id, first_id + 1, ...
  [[nodiscard]] Status check_table(SequenceId sequence, int32_t first_id) const;

 private:
  int64_t used_blocks_ = 0;  // of all tables
};

}  // namespace cairn
