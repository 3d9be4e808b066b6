#include "cli/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "cli/foreign_words.h"

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

namespace {

// Ours first: their errors say where.
Result<KvPlan> read_kv_words(const std::string& text) {
  auto plan = KvPlan::parse(text);
  if (plan.ok()) return plan;
  auto renamed = KvPlan::parse(with_our_formats(text));
  if (renamed.ok()) return renamed;
  const auto hint = hint_for_format(text);
  if (!hint.has_value()) return plan;
  return invalid_argument(fmt::format("{} ({})", plan.status().message(), *hint));
}

}  // namespace

Result<KvPlan> read_kv_plan(const std::string& text) {
  if (!text.starts_with('@')) return read_kv_words(text);
  const std::string path = text.substr(1);
  CAIRN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  constexpr size_t kMost = 1 << 20;
  if (file.bytes().size() > kMost) {
    return invalid_argument(printable_path(path) + " is larger than any KV plan: at most 1 MiB");
  }
  const auto* content = reinterpret_cast<const char*>(file.bytes().data());
  return KvPlan::parse_text_or_json({content, file.bytes().size()});
}

std::string lowered(std::string_view word) {
  std::string lower;
  for (const char c : word) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::optional<TensorType> tensor_type_of_file_name(std::string_view name) {
  const std::string lower = lowered(name);
  if (const auto type = tensor_type_from_name(lower)) return type;
  constexpr std::array<std::pair<std::string_view, TensorType>, 6> kOtherNames{
      {{"fp32", TensorType::kF32},
       {"float32", TensorType::kF32},
       {"fp16", TensorType::kF16},
       {"float16", TensorType::kF16},
       {"half", TensorType::kF16},
       {"bfloat16", TensorType::kBF16}}};
  for (const auto& [other, type] : kOtherNames) {
    if (lower == other) return type;
  }
  const size_t size = lower.rfind("_k_");  // q4_k_m, q3_k_xl: which mix of types, and how large
  if (size == std::string::npos) return std::nullopt;
  const std::string_view word = std::string_view(lower).substr(size + 3);
  const bool is_size = word == "s" || word == "m" || word == "l" || word == "xl";
  return is_size ? tensor_type_from_name(lower.substr(0, size + 2)) : std::nullopt;
}

// Optimal string alignment, by rows.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::optional<std::string> nearest_name(std::string_view word, std::span<const std::string> names) {
  constexpr size_t kLongestWord = 64;  // a whole sentence is no slip, and would take long to compare
  if (word.size() > kLongestWord) return std::nullopt;
  std::optional<std::string> nearest;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  constexpr size_t kNoSlip = 2;  // "-h" is a letter away from every short option
  for (const std::string& name : names) {
    if (name.size() <= kNoSlip) continue;
    const size_t distance = edit_distance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  if (nearest.has_value()) return nearest;
  constexpr size_t kBeginning = 4;  // "--t" begins too many names
  for (const std::string& name : names) {
    if (word.size() >= kBeginning && name.starts_with(word)) return name;
  }
  return std::nullopt;
}

}  // namespace cairn
