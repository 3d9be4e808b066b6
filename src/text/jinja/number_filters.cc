#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

template <typename Number>
bool parse_number(std::string_view text, Number* out) {
  text = strip_space(text, Side::kBoth);
  if (text.starts_with('+') && !text.substr(1).starts_with('-')) text.remove_prefix(1);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool fits(double d) { return std::abs(d) < 9.2e18; }

Result<Value> to_integer(Budget&, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'int'", arguments, {"default"}));
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  const bool has_default = arguments.positional.size() + arguments.named.size() != 0;
  int64_t i = 0;
  double d = 0;
  if (subject.as_integer(&i)) return Value::integer(i);
  if (const std::string* text = subject.text()) {
    if (parse_number(*text, &i)) return Value::integer(i);
    if (parse_number(*text, &d) && fits(d)) return Value::integer(static_cast<int64_t>(d));
  }
  if (subject.is_float() && subject.as_number(&d) && fits(d)) return Value::integer(static_cast<int64_t>(d));
  return has_default ? bound[0] : Value::integer(0);
}

Result<Value> to_float(Budget&, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'float'", arguments, {"default"}));
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  const bool has_default = arguments.positional.size() + arguments.named.size() != 0;
  double d = 0;
  if (subject.as_number(&d)) return Value::real(d);
  if (const std::string* text = subject.text(); text != nullptr && parse_number(*text, &d))
    return Value::real(d);
  return has_default ? bound[0] : Value::real(0);
}

Result<Value> absolute(Budget&, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'abs'", arguments, {}).status());
  int64_t i = 0;
  double d = 0;
  if (subject.as_integer(&i)) return i < 0 ? negate(subject) : Value::integer(i);
  if (subject.as_number(&d)) return Value::real(std::abs(d));
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  return invalid_data("the filter 'abs' needs a number");
}

Result<Value> round(Budget&, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'round'", arguments, {"precision", "method"}));
  CAIRN_ASSIGN_OR_RETURN(const int64_t precision, bound.integer(0, 0));
  CAIRN_ASSIGN_OR_RETURN(const std::string method, bound.text(1, "common"));
  if (precision < 0 || precision > 15) return unsupported("the filter 'round' rounds to 0 to 15 digits");
  double d = 0;
  if (!subject.as_number(&d)) return invalid_data("the filter 'round' needs a number");
  if (method == "common") {
    if (int64_t i = 0; subject.as_integer(&i)) return Value::integer(i);
    if (!std::isfinite(d)) return subject;
    char buffer[400];  // the longest double has 309 digits before the point
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::fixed,
                                   static_cast<int>(precision));
    std::from_chars(buffer, end.ptr, d);
    return Value::real(d);
  }
  if (method != "ceil" && method != "floor")
    return invalid_data("the filter 'round' supports common, ceil and floor");
  double scale = 1;
  for (int64_t i = 0; i < precision; ++i) scale *= 10;
  return Value::real((method == "ceil" ? std::ceil(d * scale) : std::floor(d * scale)) / scale);
}

constexpr NamedFilter kFilters[] = {
    {"abs", absolute},
    {"float", to_float},
    {"int", to_integer},
    {"round", round},
};

}  // namespace

Filter find_number_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kFilters), std::end(kFilters),
                               [&](const NamedFilter& filter) { return filter.name == name; });
  return at == std::end(kFilters) ? nullptr : at->apply;
}

}  // namespace cairn::jinja
