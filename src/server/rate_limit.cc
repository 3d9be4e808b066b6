#include "server/rate_limit.h"

#include <algorithm>
#include <limits>

namespace cairn {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;
// However much is taken at once, the bucket is full again after so many periods.
constexpr uint64_t kMostPeriods = 100;

uint64_t period_ns(const Rate& rate) { return static_cast<uint64_t>(rate.period_s) * kNsPerSecond; }

enum class Rounding : uint8_t { kUp, kDown };

// How long `rate` takes to bring so much.
uint64_t time_for(const Rate& rate, int64_t amount, Rounding rounding) {
  __extension__ using Wide = unsigned __int128;  // 2^63 tokens times a day
  const Wide most = Wide{period_ns(rate)} * kMostPeriods;
  const Wide all = Wide(std::max<int64_t>(amount, 0)) * period_ns(rate);
  const Wide divisor = static_cast<uint64_t>(rate.amount);
  const Wide time = rounding == Rounding::kUp ? (all + divisor - 1) / divisor : all / divisor;
  return static_cast<uint64_t>(std::min(time, most));
}

// A bucket after `amount` is taken, and how long until that may be: 0, now.
struct Taken {
  uint64_t full_at_ns = 0;
  uint64_t wait_ns = 0;
};

Taken take(const Rate& rate, uint64_t full_at_ns, int64_t amount, uint64_t now_ns) {
  const uint64_t start = std::max(full_at_ns, now_ns);
  const uint64_t missing_ns = start - now_ns;  // until the bucket is full: so much of a period is gone
  const uint64_t cost_ns = time_for(rate, amount, Rounding::kUp);
  const uint64_t room_ns = period_ns(rate) - std::min(cost_ns, period_ns(rate));
  return {.full_at_ns = start + cost_ns, .wait_ns = missing_ns - std::min(missing_ns, room_ns)};
}

RateDecision refused(RateLimit limit, uint64_t wait_ns) {
  const auto seconds = static_cast<int64_t>((wait_ns + kNsPerSecond - 1) / kNsPerSecond);
  return {.ok = false, .limit = limit, .retry_after_s = std::max<int64_t>(seconds, 1)};
}

void give_back(const std::optional<Rate>& rate, uint64_t& full_at_ns, int64_t amount) {
  if (!rate.has_value()) return;
  full_at_ns -= std::min(full_at_ns, time_for(*rate, amount, Rounding::kDown));
}

}  // namespace

std::string_view rate_limit_name(RateLimit limit) {
  switch (limit) {
    case RateLimit::kNone: return "none";
    case RateLimit::kRequests: return "requests";
    case RateLimit::kTokens: return "tokens";
    case RateLimit::kConcurrent: return "concurrent";
  }
  return "none";
}

RateDecision RateLimiter::admit(const ServedTenant& tenant, int64_t requests, int64_t tokens,
                                uint64_t now_ns) {
  const TenantConfig& config = tenant.config;
  const std::lock_guard lock(mutex_);
  Buckets& buckets = buckets_[tenant.id];
  if (config.concurrent.has_value() && buckets.running >= *config.concurrent) {
    return refused(RateLimit::kConcurrent, kNsPerSecond);
  }
  Taken of_requests{.full_at_ns = buckets.requests_full_at_ns};
  if (config.requests.has_value()) {
    of_requests = take(*config.requests, buckets.requests_full_at_ns, requests, now_ns);
    if (of_requests.wait_ns > 0) return refused(RateLimit::kRequests, of_requests.wait_ns);
  }
  Taken of_tokens{.full_at_ns = buckets.tokens_full_at_ns};
  if (config.tokens.has_value()) {
    of_tokens = take(*config.tokens, buckets.tokens_full_at_ns, tokens, now_ns);
    if (of_tokens.wait_ns > 0) return refused(RateLimit::kTokens, of_tokens.wait_ns);
  }
  buckets.requests_full_at_ns = of_requests.full_at_ns;
  buckets.tokens_full_at_ns = of_tokens.full_at_ns;
  ++buckets.running;
  return {};
}

void RateLimiter::refund(const ServedTenant& tenant, int64_t requests, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(tenant.id);
  if (found == buckets_.end()) return;
  give_back(tenant.config.requests, found->second.requests_full_at_ns, requests);
  give_back(tenant.config.tokens, found->second.tokens_full_at_ns, tokens);
}

void RateLimiter::settle(const ServedTenant& tenant, int64_t admitted, int64_t used, uint64_t now_ns) {
  if (used <= admitted) return refund(tenant, 0, admitted - used);
  if (!tenant.config.tokens.has_value()) return;
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(tenant.id);
  if (found == buckets_.end()) return;
  found->second.tokens_full_at_ns =
      take(*tenant.config.tokens, found->second.tokens_full_at_ns, used - admitted, now_ns).full_at_ns;
}

void RateLimiter::end(TenantId tenant) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(tenant);
  if (found != buckets_.end() && found->second.running > 0) --found->second.running;
}

void RateLimiter::keep_only(std::span<const TenantId> kept) {
  const std::lock_guard lock(mutex_);
  std::erase_if(buckets_, [&](const auto& entry) {
    return entry.second.running == 0 && std::ranges::find(kept, entry.first) == kept.end();
  });
}

size_t RateLimiter::size() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

int64_t RateLimiter::running(TenantId tenant) const {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(tenant);
  return found == buckets_.end() ? 0 : found->second.running;
}

}  // namespace cairn
