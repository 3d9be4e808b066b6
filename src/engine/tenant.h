// Who a request belongs to, and what share of the engine each may have. Plain data; only the engine's owner hands out ids.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace cairn {

struct TenantId {
  uint32_t value = 0;  // 0: nobody in particular

  friend auto operator<=>(const TenantId&, const TenantId&) = default;
};

struct TenantShare {
  TenantId id;
  int64_t weight = 1;                      // 1 to 1000
  std::optional<uint64_t> kv_quota_bytes;  // most bytes of the cache, idle blocks included
};

}  // namespace cairn
