// Small pure functions on parts of HTTP messages. All input is hostile: each answers, whatever it is given.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn {

// "a%20b" -> "a b"; '+' stays. Nullopt where a '%' is not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

// "a=1&b=x+y" -> {a, 1}, {b, "x y"}, in order: names and values decoded ('+' is a blank). What cannot be decoded is left out.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> query_parameters(std::string_view query);
// The value of the first parameter of this name.
[[nodiscard]] std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

// Whether a client with this Accept-Encoding takes gzip ("gzip", "x-gzip" or "*", unless with q=0).
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

// Whether an If-None-Match names this entity tag (with its quotes), or is "*". Compares weakly, as RFC 9110 asks.
[[nodiscard]] bool etag_matches(std::string_view if_none_match, std::string_view etag);

// The token of "Bearer TOKEN", whatever the case of "Bearer".
[[nodiscard]] std::optional<std::string_view> bearer_token(std::string_view authorization);

// A request's target in path and query: "/a?b" -> "/a", "b"; "http://host/a?b" likewise; "*" stays.
struct HttpTarget {
  std::string_view path;
  std::string_view query;
};
// Nullopt where it is none of these.
[[nodiscard]] std::optional<HttpTarget> split_target(std::string_view target);

}  // namespace cairn
