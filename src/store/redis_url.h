// RedisUrl: redis://[[user:]password@]host[:port][/db], or rediss:// for TLS, taken apart. Plain data.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

inline constexpr uint16_t kRedisPort = 6379;

// A node of a store.
struct RedisAddress {
  std::string host;  // a name or an IP address, without brackets
  uint16_t port = kRedisPort;

  [[nodiscard]] std::string text() const;  // "host:port", for people
  friend auto operator<=>(const RedisAddress&, const RedisAddress&) = default;
};

struct RedisUrl {
  bool is_secure = false;
  std::string user;  // empty: Redis's "default"
  std::string password;
  RedisAddress address;
  uint32_t database = 0;

  // Errors never repeat what may be a password.
  static Result<RedisUrl> parse(std::string_view text);
};

// The address of "host:port" as Redis writes it, IPv6 without brackets. Nothing where it is none.
[[nodiscard]] Result<RedisAddress> parse_redis_address(std::string_view text);

// A host name or address that can be asked for: neither empty nor endless, and printable.
[[nodiscard]] bool is_redis_host(std::string_view host);

}  // namespace cairn
