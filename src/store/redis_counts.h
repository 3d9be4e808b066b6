// RedisCounts: what the remote store has done so far; RedisNodeState: how its nodes fare. Plain data.
#pragma once

#include <cstdint>
#include <string>

#include "store/redis_breaker.h"
#include "store/redis_url.h"

namespace cairn {

struct RedisCounts {
  uint64_t hits = 0;            // values that get() delivered
  uint64_t misses = 0;          // names of which a node said that it has no value
  uint64_t stored = 0;          // values that set() stored
  uint64_t failures = 0;        // names for which there was no good answer, whatever the reason; missed too
  uint64_t skipped = 0;         // of those: not asked, because the breaker is open or no node is known
  uint64_t refused_sizes = 0;   // of those: values over the limit that set() was given
  uint64_t error_replies = 0;   // answers that say no: no memory left, still loading, no permission
  uint64_t connect_errors = 0;  // no connection, no TLS, no login
  uint64_t closed_errors = 0;   // connections that broke amid an exchange
  uint64_t garbage_errors = 0;  // connections dropped because of what came on them
  uint64_t timeouts = 0;        // connections dropped because a deadline had come
  uint64_t moved = 0;           // answers that named another node
  uint64_t asked = 0;           // answers that named another node for this once
  uint64_t map_loads = 0;       // of a Cluster's slots
  uint64_t breaker_opens = 0;
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
};
void add(RedisCounts& sum, const RedisCounts& counts);

// One node, for people.
struct RedisNodeState {
  RedisAddress address;
  RedisBreaker::State breaker = RedisBreaker::State::kClosed;
  std::string last_failure;  // a sentence; empty: none so far
};

}  // namespace cairn
