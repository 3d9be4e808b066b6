// RedisStoreOptions: which remote store, and how it is used. Plain data.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/redis_breaker.h"

namespace cairn {

enum class RedisTrust {
  kVerified,        // the server's certificate is checked, and that it is for the host that was asked for
  kAnyCertificate,  // encrypted, but nobody knows with whom one speaks
};

struct RedisStoreOptions {
  // redis://[[user:]password@]host[:port][/database], or rediss://. Several are nodes of one Cluster to begin with, which
  // must agree in all but the host.
  std::vector<std::string> urls;
  std::string key_prefix = "cairn:";
  std::optional<std::chrono::milliseconds> ttl =
      {};  // of a value, from when it was stored; absent: the server's own eviction
  std::chrono::milliseconds deadline{1000};         // of a call
  std::chrono::milliseconds connect_deadline{250};  // of one connection within a call, with TLS and login
  size_t value_bytes_max = 16 << 20;                // larger ones are neither stored nor taken
  size_t pipeline_depth = 8;  // commands on the way to one node; the node keeps as many replies
  RedisTrust trust = RedisTrust::kVerified;
  std::optional<std::string> certificates = {};  // a PEM file of trusted ones; absent: the system's
  RedisBreakerOptions breaker = {};
  const Clock* clock =
      nullptr;  // of the breakers; must outlive the store; null: the system's. Deadlines are real time
};

}  // namespace cairn
