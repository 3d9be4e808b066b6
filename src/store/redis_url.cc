#include "store/redis_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/printable.h"

namespace cairn {
namespace {

constexpr size_t kHostBytesMax = 255;
constexpr uint32_t kDatabaseMax = 65'535;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at];
      continue;
    }
    uint8_t byte = 0;
    if (text.size() - at < 3) return std::nullopt;
    const char* end = text.data() + at + 3;
    const auto parsed = std::from_chars(text.data() + at + 1, end, byte, 16);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    out += static_cast<char>(byte);
    at += 2;
  }
  return out;
}

bool take_scheme(std::string_view& rest, std::string_view scheme) {
  if (!rest.starts_with(scheme)) return false;
  rest.remove_prefix(scheme.size());
  return true;
}

// "host", "host:port", "[::1]:port".
bool parse_authority(std::string_view text, RedisAddress& address) {
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    address.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    address.host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!is_redis_host(address.host)) return false;
  if (port.empty()) return true;
  const std::optional<uint16_t> number = parse_number<uint16_t>(port.substr(1));
  if (port.front() != ':' || number.value_or(0) == 0) return false;
  address.port = *number;
  return true;
}

bool parse_credentials(std::string_view text, RedisUrl& url) {
  const size_t colon = text.find(':');
  const bool has_user = colon != std::string_view::npos;
  const auto user = percent_decoded(has_user ? text.substr(0, colon) : "");
  const auto password = percent_decoded(has_user ? text.substr(colon + 1) : text);
  if (!user || !password || password->empty()) return false;
  url.user = *user;
  url.password = *password;
  return true;
}

}  // namespace

std::string RedisAddress::text() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", printable(host), port) : fmt::format("{}:{}", printable(host), port);
}

bool is_redis_host(std::string_view host) {
  return !host.empty() && host.size() <= kHostBytesMax &&
         std::all_of(host.begin(), host.end(), [](char c) { return c > ' ' && c < 127 && c != '/'; });
}

Result<RedisUrl> RedisUrl::parse(std::string_view text) {
  RedisUrl url;
  std::string_view rest = text;
  url.is_secure = take_scheme(rest, "rediss://");
  const bool has_scheme = url.is_secure || take_scheme(rest, "redis://");
  const size_t at = rest.rfind('@');
  const bool has_credentials = at != std::string_view::npos;
  std::string_view place = has_credentials ? rest.substr(at + 1) : rest;
  const Status bad = invalid_argument(fmt::format(
      "'{}' is not the URL of a remote store: it looks like redis://[user:password@]host:6379[/database], or "
      "rediss:// for TLS",
      has_credentials ? "…@" + printable(place) : printable(text)));
  if (!has_scheme) return bad;
  if (has_credentials && !parse_credentials(rest.substr(0, at), url)) return bad;
  const size_t slash = std::min(place.find('/'), place.size());
  const std::string_view database = place.substr(std::min(slash + 1, place.size()));
  if (!parse_authority(place.substr(0, slash), url.address)) return bad;
  if (!database.empty()) {
    const std::optional<uint32_t> number = parse_number<uint32_t>(database);
    if (!number || *number > kDatabaseMax) return bad;
    url.database = *number;
  }
  return url;
}

Result<RedisAddress> parse_redis_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid_data("an address without a port");
  const std::optional<uint16_t> port = parse_number<uint16_t>(text.substr(colon + 1));
  const std::string_view host = text.substr(0, colon);
  if (port.value_or(0) == 0 || (!host.empty() && !is_redis_host(host))) return invalid_data("no address");
  return RedisAddress{.host = std::string(host), .port = *port};
}

}  // namespace cairn
