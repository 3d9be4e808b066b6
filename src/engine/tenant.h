// Tenants: on whose behalf a request runs, and what each may have of an engine. Plain data.
//
// Tenants share an engine's work by weight (fair_queue.h), and each may have a limit on the memory of the cache. They
// keep no secrets from each other by being tenants: for that they need salts of their own (Request::salt).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

#include "store/record.h"

namespace cairn {

// 0: nobody in particular, a tenant like any other.
struct TenantId {
  uint32_t value = 0;
  friend auto operator<=>(const TenantId&, const TenantId&) = default;
};

inline constexpr int64_t kMostWeight = 1000;

struct TenantShare {
  TenantId id;
  int64_t weight = 1;  // of the engine's rows, beside those of the others; 1 to kMostWeight
  std::optional<uint64_t> kv_quota_bytes;  // of the cache's memory at most; absent: no limit of its own
};

}  // namespace cairn
