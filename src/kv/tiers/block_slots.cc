#include "kv/tiers/block_slots.h"

#include "base/check.h"

namespace cairn {

Result<BlockSlots> BlockSlots::create(const KvGeometry& geometry, int64_t count) {
  BlockSlots made;
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, geometry.bytes_of_blocks(count));
  CAIRN_ASSIGN_OR_RETURN(made.memory_, PageMemory::allocate(bytes));
  std::span<std::byte> rest = made.memory_.as<std::byte>();
  for (int64_t slot = 0; slot < count; ++slot) {
    std::vector<std::span<std::byte>>& groups = made.slots_.emplace_back();
    for (int32_t group = 0; group < geometry.group_count(); ++group) {
      groups.push_back(rest.first(geometry.block_bytes(group)));
      rest = rest.subspan(geometry.block_bytes(group));
    }
    made.readable_.emplace_back(groups.begin(), groups.end());
    made.free_.push_back(static_cast<int32_t>(slot));
  }
  return made;
}

int32_t BlockSlots::take() {
  CHECK(has_free());
  const int32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

}  // namespace cairn
