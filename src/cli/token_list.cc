#include "cli/token_list.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/printable.h"

namespace cairn {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<TokenId> parse_token(std::string_view text) {
  const auto token = parse_number<TokenId>(trimmed(text));
  return token.has_value() && *token >= 0 ? token : std::nullopt;
}

}  // namespace

Result<std::vector<TokenId>> parse_token_list(std::string_view text) {
  std::vector<TokenId> tokens;
  if (trimmed(text).empty()) return tokens;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const auto token = parse_token(part);
    if (!token.has_value()) {
      return invalid_argument(
          fmt::format("'{}' is no token id: a list of ids looks like 1,2,3", printable(part)));
    }
    tokens.push_back(*token);
    begin = end + 1;
  }
  return tokens;
}

Result<LogitBias> parse_logit_bias(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const auto token = parse_token(text.substr(0, equals));
    const auto value = parse_number<float>(trimmed(text.substr(equals + 1)));
    if (token.has_value() && value.has_value() && !std::isnan(*value)) return LogitBias{*token, *value};
  }
  return invalid_argument(fmt::format(
      "'{}' is no logit bias: it looks like 42=-1.5, or 42=-inf to forbid token 42", printable(text)));
}

std::string format_token_list(const std::vector<TokenId>& tokens) {
  return fmt::format("{}", fmt::join(tokens, ","));
}

}  // namespace cairn
