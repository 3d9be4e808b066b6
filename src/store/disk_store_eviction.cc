#include "store/disk_store_eviction.h"

#include <algorithm>
#include <utility>

namespace cairn {

uint64_t eviction_rank(const StoredRecord& record, uint64_t now_ms) {
  constexpr uint64_t kAgeMax = (uint64_t{1} << 40) - 1;     // 34 years
  constexpr uint64_t kBlocksMax = (uint64_t{1} << 23) - 1;  // so that the product fits
  const uint64_t age_ms = now_ms - std::min(now_ms, record.last_used_ms);
  const uint64_t blocks = std::min(record.bytes / kRecordAlignment, kBlocksMax);
  return (std::min(age_ms, kAgeMax) + 1) * blocks / (uint64_t{record.hits} + 1);
}

std::vector<StoredRecord> eviction_order(std::vector<StoredRecord> records, uint64_t now_ms) {
  std::erase_if(records, [](const StoredRecord& record) { return record.is_pinned; });
  std::vector<std::pair<uint64_t, size_t>> order;
  order.reserve(records.size());
  for (size_t i = 0; i < records.size(); ++i) order.emplace_back(eviction_rank(records[i], now_ms), i);
  std::ranges::sort(order, [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : records[a.second].name < records[b.second].name;
  });
  std::vector<StoredRecord> sorted;
  sorted.reserve(records.size());
  for (const auto& [rank, i] : order) sorted.push_back(std::move(records[i]));
  return sorted;
}

}  // namespace cairn
