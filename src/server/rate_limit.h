// RateLimiter: how many requests and tokens a tenant may begin in a time, and how many requests at once.
//
// Token buckets that hold one period's amount and fill evenly. Always true: a bucket is one moment, when it will be full
// again, so changed rates (a reload) go on from where it is; all arithmetic is on integers and time is an argument, so the
// same calls have the same outcome. A request larger than a whole bucket is admitted when the bucket is full, and those
// behind it wait the longer: nothing is refused for ever. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string_view>

#include "engine/tenant.h"
#include "server/tenants.h"

namespace cairn {

enum class RateLimit : uint8_t { kNone, kRequests, kTokens, kConcurrent };
// "requests", "tokens", "concurrent"; "none".
[[nodiscard]] std::string_view rate_limit_name(RateLimit limit);

struct RateDecision {
  bool ok = true;
  RateLimit limit = RateLimit::kNone;  // what refused it
  int64_t retry_after_s = 0;           // at least 1 where it is refused; rounded up
};

class RateLimiter {
 public:
  // Takes `requests` and `tokens` from the tenant's buckets, and a place among its concurrent ones; or nothing at all.
  // Each admission is ended by end() once.
  RateDecision admit(const ServedTenant& tenant, int64_t requests, int64_t tokens, uint64_t now_ns);
  // Gives back what was taken and not used: a reply that ended early.
  void refund(const ServedTenant& tenant, int64_t requests, int64_t tokens);
  // Of `admitted` tokens, or more, `used` were used: gives back the rest, or takes what was missing.
  void settle(const ServedTenant& tenant, int64_t admitted, int64_t used, uint64_t now_ns);
  // An admitted request is over: its place is free.
  void end(TenantId tenant);

  // Forgets buckets of tenants that are not in `kept` and have nothing running. Call after a reload.
  void keep_only(std::span<const TenantId> kept);
  [[nodiscard]] size_t size() const;
  [[nodiscard]] int64_t running(TenantId tenant) const;

 private:
  struct Buckets {
    uint64_t requests_full_at_ns = 0;
    uint64_t tokens_full_at_ns = 0;
    int64_t running = 0;
  };

  mutable std::mutex mutex_;
  std::map<TenantId, Buckets> buckets_;
};

}  // namespace cairn
