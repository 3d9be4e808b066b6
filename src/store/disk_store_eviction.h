// Which records leave a full disk store first. Pure functions of what they are given.
#pragma once

#include <cstdint>
#include <vector>

#include "store/disk_store_index.h"

namespace cairn {

// The largest leaves first:
//
//   (milliseconds since the last use + 1) * blocks of 4096 bytes / (uses + 1)
//
// so a record that was used n times outlasts one that was never used n + 1 times as long, and one of twice the size half as
// long. A last use that lies in the future (the clock went back) is now.
[[nodiscard]] uint64_t eviction_rank(const StoredRecord& record, uint64_t now_ms);

// All that may leave (pinned ones may not), the first to leave first; of equal rank, by name.
[[nodiscard]] std::vector<StoredRecord> eviction_order(std::vector<StoredRecord> records, uint64_t now_ms);

}  // namespace cairn
