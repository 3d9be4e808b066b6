// RedisBreaker: the circuit breaker before one node. A node that failed too often is not asked for a while, so that
// calls miss at once instead of waiting for it.
//
// Closed: asked; after `failure_count` failures within `window` it opens. Open: not asked, for a backoff. Half-open, once
// that is over: one call asks; if it succeeds the breaker closes, if it fails the breaker opens again for twice as
// long, up to `backoff_max`. Time is an argument. Not synchronised.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace cairn {

struct RedisBreakerOptions {
  int failure_count = 3;
  std::chrono::milliseconds window{10'000};
  std::chrono::milliseconds backoff{500};
  std::chrono::milliseconds backoff_max{60'000};
};

class RedisBreaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen };

  explicit RedisBreaker(const RedisBreakerOptions& options);

  // Whether the node may be asked now. Who is allowed must report how it went, or that it did not ask after all.
  [[nodiscard]] bool allow(uint64_t now_ns);
  void succeeded();
  // Whether the breaker opened by this.
  bool failed(uint64_t now_ns);
  void did_not_ask();

  [[nodiscard]] State state() const { return state_; }

 private:
  void open(uint64_t now_ns);

  RedisBreakerOptions options_;
  State state_ = State::kClosed;
  std::vector<uint64_t> failures_ns_;  // the last ones, at most failure_count of them, oldest first
  uint64_t retry_at_ns_ = 0;           // while not closed
  uint64_t backoff_ns_ = 0;
};

}  // namespace cairn
