// KvPlan::Parser: the retention of a rule, "sinks=4,window=1024".
#include <fmt/format.h>

#include <charconv>

#include "kv/kv_plan_parser.h"

namespace cairn {

bool is_kv_retention_word(std::string_view word) { return word == "sinks" || word == "window"; }

std::string KvRetentionLimits::text() const {
  return fmt::format("a number of positions from {} to {}", least, most);
}

Result<Visibility> KvPlan::Parser::retention() {
  RetentionWords words;
  do {
    CAIRN_RETURN_IF_ERROR(add_word(words));
  } while (!words.missing().empty() && take(','));
  if (!words.window.has_value()) {
    return error(
        at_,
        fmt::format("{}, where \",\" and \"window=\" are expected: sinks need a window beside them, as in "
                    "\"sinks=4,window=1024\"",
                    found(at_)));
  }
  rule_end_ = words.sinks.has_value() ? "" : "\",\" and \"sinks=\", ";
  return Visibility{.window = *words.window, .sinks = words.sinks.value_or(0)};
}

std::string_view KvPlan::Parser::RetentionWords::missing() const {
  if (sinks.has_value()) return window.has_value() ? "" : "\"window=\"";
  return window.has_value() ? "\"sinks=\"" : "\"sinks=\" or \"window=\"";
}

Status KvPlan::Parser::add_word(RetentionWords& retention) {
  const std::string_view word = peek_word();
  if (!is_kv_retention_word(word)) {
    return error(at_, fmt::format("{}, where {} is expected; codecs stand first, as in "
                                  "\"k=int8,v=int4,sinks=4,window=1024\"",
                                  found(at_), retention.missing()));
  }
  std::optional<int64_t>& count = word == "sinks" ? retention.sinks : retention.window;
  if (count.has_value()) return error(at_, fmt::format("\"{}\" stands here twice", word));
  const KvRetentionLimits& limits = word == "sinks" ? kKvSinkLimits : kKvWindowLimits;
  at_ += word.size();
  if (!take('=')) {
    return error(at_, fmt::format("{}, where \"=\" and {} are expected", found(at_), limits.text()));
  }
  CAIRN_ASSIGN_OR_RETURN(count, positions(limits));
  return {};
}

Result<int64_t> KvPlan::Parser::positions(const KvRetentionLimits& limits) {
  const std::string_view digits = peek_word();
  int64_t count = 0;
  const auto [last, error_code] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  const bool is_number = error_code == std::errc() && last == digits.data() + digits.size();
  if (!is_number || !limits.allow(count)) {
    return error(at_, fmt::format("{}, where {} is expected", found(at_), limits.text()));
  }
  at_ += digits.size();
  return count;
}

}  // namespace cairn
