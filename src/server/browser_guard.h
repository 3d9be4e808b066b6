// BrowserGuard: what a browser may do with this server, decided from a request's head. Pure.
//
// A page of another site can make a user's browser send requests here. Two rules keep it out: a request that names an
// origin must come from this server's own page, or from an origin that the operator named (CORS is off otherwise); and
// where no key is asked for, the request's Host must be a name of this machine, or one that the operator named, so that a
// foreign name that resolves to 127.0.0.1 does not make a foreign page our own (DNS rebinding).
// Programs that are no browsers send no Origin, and are never held up by the first rule.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace cairn {

enum class HostCheck : uint8_t { kAnyHost, kNamedHosts };

struct BrowserGuardOptions {
  std::vector<std::string> origins;  // "https://chat.example.org", or "*": any
  std::vector<std::string> hosts;    // names that Host may have beside loopback's; without ports
  HostCheck host_check = HostCheck::kNamedHosts;
};

class BrowserGuard {
 public:
  explicit BrowserGuard(BrowserGuardOptions options) : options_(std::move(options)) {}

  // A reply that refuses the request, or that answers a preflight; absent: go on.
  [[nodiscard]] std::optional<HttpReply> check(const HttpHead& head) const;
  // Headers for every reply to this request.
  [[nodiscard]] std::vector<HttpHeader> headers(const HttpHead& head) const;

 private:
  [[nodiscard]] bool allows_host(std::string_view host) const;
  [[nodiscard]] bool names_origin(std::string_view origin) const;

  BrowserGuardOptions options_;
};

}  // namespace cairn
