#include "server/browser_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "server/web_reply.h"

namespace cairn {
namespace {

constexpr std::array<std::string_view, 3> kLoopbackNames{"localhost", "127.0.0.1", "[::1]"};

// "localhost:8080" -> "localhost", "[::1]:8080" -> "[::1]".
std::string_view without_port(std::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  return has_port ? host.substr(0, colon) : host;
}

// Whether the page that sent it lies on the host that it is sent to.
bool is_own_origin(std::string_view origin, const HttpHead& head) {
  const size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const auto host = head.header("host");
  // A proxy may end TLS before this server: then the page's scheme is https, and the request's is not.
  const std::string_view scheme = origin.substr(0, scheme_end);
  const bool is_web =
      equals_ignoring_case(scheme, "https") || (!head.is_secure && equals_ignoring_case(scheme, "http"));
  return is_web && host.has_value() && equals_ignoring_case(origin.substr(scheme_end + 3), *host);
}

HttpReply forbidden(const std::string& message) { return error_reply(permission_error(message)); }

}  // namespace

bool BrowserGuard::allows_host(std::string_view host) const {
  const std::string_view name = without_port(host);
  const auto is_name = [name](std::string_view known) { return equals_ignoring_case(known, name); };
  return std::ranges::any_of(kLoopbackNames, is_name) || std::ranges::any_of(options_.hosts, is_name);
}

bool BrowserGuard::names_origin(std::string_view origin) const {
  return std::ranges::any_of(options_.origins, [origin](const std::string& named) {
    return named == "*" || equals_ignoring_case(named, origin);
  });
}

std::optional<HttpReply> BrowserGuard::check(const HttpHead& head) const {
  if (options_.host_check == HostCheck::kNamedHosts) {
    const auto host = head.header("host");
    if (host.has_value() && !allows_host(*host)) {
      return forbidden(
          fmt::format("this server does not answer to the name '{}': its operator can name it (allowed-host)",
                      without_port(*host)));
    }
  }
  const auto origin = head.header("origin");
  if (!origin.has_value() || is_own_origin(*origin, head)) return std::nullopt;
  if (!names_origin(*origin)) {
    return forbidden(fmt::format(
        "pages of '{}' may not use this server: its operator can name it (cors-origin)", *origin));
  }
  const bool is_preflight =
      head.method == "OPTIONS" && head.header("access-control-request-method").has_value();
  if (!is_preflight) return std::nullopt;
  HttpReply reply{.status = 204, .headers = headers(head)};
  reply.headers.push_back({"Access-Control-Allow-Methods", "GET, POST, OPTIONS"});
  reply.headers.push_back({"Access-Control-Allow-Headers",
                           std::string(head.header("access-control-request-headers").value_or("*"))});
  reply.headers.push_back({"Access-Control-Max-Age", "600"});
  return reply;
}

std::vector<HttpHeader> BrowserGuard::headers(const HttpHead& head) const {
  std::vector<HttpHeader> headers;
  const auto origin = head.header("origin");
  if (!origin.has_value() || is_own_origin(*origin, head) || !names_origin(*origin)) return headers;
  headers.push_back({"Access-Control-Allow-Origin", std::string(*origin)});
  headers.push_back({"Access-Control-Expose-Headers", "X-Request-Id, Retry-After"});
  headers.push_back({"Vary", "Origin"});
  return headers;
}

}  // namespace cairn
