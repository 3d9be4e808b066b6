#include "store/redis_breaker.h"

#include <algorithm>

namespace cairn {
namespace {

uint64_t to_ns(std::chrono::milliseconds time) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(time).count());
}

}  // namespace

RedisBreaker::RedisBreaker(const RedisBreakerOptions& options)
    : options_(options), backoff_ns_(to_ns(options.backoff)) {}

bool RedisBreaker::allow(uint64_t now_ns) {
  if (state_ == State::kClosed) return true;
  if (now_ns < retry_at_ns_) return false;
  state_ = State::kHalfOpen;
  retry_at_ns_ = now_ns + backoff_ns_;  // one more may ask then, should this one never report
  return true;
}

void RedisBreaker::succeeded() {
  if (state_ != State::kHalfOpen) return;  // a call that began before the breaker opened says nothing new
  state_ = State::kClosed;
  failures_ns_.clear();
  backoff_ns_ = to_ns(options_.backoff);
}

bool RedisBreaker::failed(uint64_t now_ns) {
  if (state_ == State::kOpen) return false;
  if (state_ == State::kHalfOpen) {
    backoff_ns_ = std::min(2 * backoff_ns_, to_ns(options_.backoff_max));
    open(now_ns);
    return true;
  }
  const auto count = static_cast<size_t>(std::max(options_.failure_count, 1));
  if (failures_ns_.size() == count) failures_ns_.erase(failures_ns_.begin());
  failures_ns_.push_back(now_ns);
  if (failures_ns_.size() < count || now_ns - failures_ns_.front() > to_ns(options_.window)) return false;
  open(now_ns);
  return true;
}

void RedisBreaker::did_not_ask() {
  if (state_ != State::kHalfOpen) return;
  state_ = State::kOpen;
  retry_at_ns_ = 0;  // the next call may ask
}

void RedisBreaker::open(uint64_t now_ns) {
  state_ = State::kOpen;
  retry_at_ns_ = now_ns + backoff_ns_;
}

}  // namespace cairn
