// UnsharedHolder: what the holdings have in common in which every sequence has its rows for itself: blocks of
// a sequence lie side by side, a fork copies them, and used blocks are counted. Inside the kv room only.
#pragma once

#include <cstring>

#include "kv/holder.h"

namespace cairn {

class UnsharedHolder : public KvHolder {
 public:
  explicit UnsharedHolder(const KvHolderPlan& plan) : plan_(plan) {}

  Room fork(SequenceId, const KvBlockTable& table, int64_t length, SequenceId copy,
            KvBlockTable& copy_table) override {
    const int64_t block_count = KvGeometry::blocks_for(length);
    if (block_count == 0) return Room::kOk;
    if (grow(copy, copy_table, block_count) == Room::kNoRoom) return Room::kNoRoom;
    const auto bytes = static_cast<uint64_t>(block_count) * plan_.geometry.block_bytes();
    std::memcpy(copy_table.front(), table.front(), bytes);
    return Room::kOk;
  }
  [[nodiscard]] uint64_t used_bytes() const override {
    return static_cast<uint64_t>(used_blocks_) * plan_.geometry.block_bytes();
  }

 protected:
  void cut_table(KvBlockTable& table, int64_t positions) {
    used_blocks_ -= static_cast<int64_t>(table.size());
    table.resize(static_cast<size_t>(KvGeometry::blocks_for(positions)));
    used_blocks_ += static_cast<int64_t>(table.size());
  }

  KvHolderPlan plan_;
  int64_t used_blocks_ = 0;  // of all tables
};

}  // namespace cairn
