// BlockSlots: memory for a fixed number of blocks on their way, taken at the start. Not locked: its owner does.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "cairn/status.h"
#include "kv/geometry.h"
#include "kv/tiers/stored_block.h"

namespace cairn {

class BlockSlots {
 public:
  static Result<BlockSlots> create(const KvGeometry& geometry, int64_t count);

  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(slots_.size()); }
  [[nodiscard]] bool has_free() const { return !free_.empty(); }
  [[nodiscard]] int64_t free_count() const { return static_cast<int64_t>(free_.size()); }
  [[nodiscard]] int32_t take();  // has_free()
  void give(int32_t slot) { free_.push_back(slot); }
  [[nodiscard]] BlockBytes bytes(int32_t slot) const { return slots_[static_cast<size_t>(slot)]; }
  [[nodiscard]] std::span<const std::span<const std::byte>> readable(int32_t slot) const {
    return readable_[static_cast<size_t>(slot)];
  }

 private:
  BlockSlots() = default;
  PageMemory memory_;
  std::vector<std::vector<std::span<std::byte>>> slots_;           // by slot and group
  std::vector<std::vector<std::span<const std::byte>>> readable_;  // the same
  std::vector<int32_t> free_;                                      // capacity for all
};

}  // namespace cairn
