#include "server/http/http_parse.h"

#include <algorithm>

#include "server/http/message.h"

namespace cairn {
namespace {

std::optional<int> hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes what stands before the first `separator` off the front of `rest`.
std::string_view take_until(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

std::optional<std::string> form_decoded(std::string_view text) {
  std::string with_blanks(text);
  std::ranges::replace(with_blanks, '+', ' ');
  return percent_decoded(with_blanks);
}

// "0", "0.0", "0.000": what a client gives that does not want this at all.
bool is_zero_weight(std::string_view parameter) {
  if (parameter.size() < 3 || !equals_ignoring_case(parameter.substr(0, 2), "q=")) return false;
  const std::string_view value = trimmed(parameter.substr(2));
  return value.starts_with('0') && value.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const auto high = hex_value(text[i + 1]);
    const auto low = hex_value(text[i + 2]);
    if (!high || !low) return std::nullopt;
    decoded.push_back(static_cast<char>(*high * 16 + *low));
    i += 2;
  }
  return decoded;
}

std::vector<std::pair<std::string, std::string>> query_parameters(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    const std::string_view name = take_until(value, '=');
    auto decoded_name = form_decoded(name);
    auto decoded_value = form_decoded(value);
    if (name.empty() || !decoded_name || !decoded_value) continue;
    parameters.emplace_back(std::move(*decoded_name), std::move(*decoded_value));
  }
  return parameters;
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  for (auto& [known, value] : query_parameters(query)) {
    if (known == name) return std::move(value);
  }
  return std::nullopt;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    std::string_view parameters = take_until(accept_encoding, ',');
    const std::string_view coding = trimmed(take_until(parameters, ';'));
    const bool is_wanted = !is_zero_weight(trimmed(parameters));
    if (equals_ignoring_case(coding, "gzip") || equals_ignoring_case(coding, "x-gzip")) return is_wanted;
    if (coding == "*") any = is_wanted;
  }
  return any;
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  const auto strong_part = [](std::string_view tag) { return tag.starts_with("W/") ? tag.substr(2) : tag; };
  if (trimmed(if_none_match) == "*") return true;
  while (!if_none_match.empty()) {
    if (strong_part(trimmed(take_until(if_none_match, ','))) == strong_part(etag)) return true;
  }
  return false;
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  if (!equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const std::string_view token = trimmed(authorization.substr(kScheme.size()));
  if (token.empty()) return std::nullopt;
  return token;
}

std::optional<HttpTarget> split_target(std::string_view target) {
  if (target == "*") return HttpTarget{.path = "*", .query = {}};
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    const auto authority_end = target.find_first_of("/?", scheme.size());
    if (target.size() == scheme.size() || authority_end == scheme.size()) return std::nullopt;
    target = authority_end == std::string_view::npos ? "/" : target.substr(authority_end);
    if (target.front() == '?') return HttpTarget{.path = "/", .query = target.substr(1)};
    break;
  }
  if (!target.starts_with('/')) return std::nullopt;
  HttpTarget parts{.path = {}, .query = target};
  parts.path = take_until(parts.query, '?');
  return parts;
}

}  // namespace cairn
