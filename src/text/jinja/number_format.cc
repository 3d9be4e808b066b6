#include "text/jinja/number_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/print.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

constexpr int64_t kWidthMax = 10000;  // of a field, and of the digits behind a point
constexpr std::string_view kAligns = "<>^=";

bool take(std::string_view* text, std::string_view any_of, char* out) {
  if (text->empty() || any_of.find(text->front()) == std::string_view::npos) return false;
  *out = text->front();
  text->remove_prefix(1);
  return true;
}

bool take(std::string_view* text, std::string_view any_of) {
  char ignored = 0;
  return take(text, any_of, &ignored);
}

Result<std::optional<int64_t>> take_number(std::string_view* text) {
  int64_t number = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), number);
  const auto length = static_cast<std::size_t>(read.ptr - text->data());
  if (length == 0 || text->front() == '-') return std::optional<int64_t>();
  if (read.ec != std::errc() || number > kWidthMax) {
    return resource_exhausted("a format wants a field of more than " + std::to_string(kWidthMax) +
                              " characters");
  }
  text->remove_prefix(length);
  return std::optional<int64_t>(number);
}

// `head` (sign and prefix) and `body`, in the field.
Result<std::string> padded(Budget& budget, std::string_view head, std::string_view body,
                           const FormatSpec& spec, char usual_align) {
  const auto size = static_cast<int64_t>(count_characters(head) + count_characters(body));
  const auto missing = static_cast<std::size_t>(std::max<int64_t>(spec.width - size, 0));
  CAIRN_RETURN_IF_ERROR(budget.allocate(head.size() + body.size() + missing * spec.fill.size()));
  const auto fill = [&](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += spec.fill;
    return out;
  };
  std::string text(head);
  switch (spec.align == 0 ? usual_align : spec.align) {
    case '<': return text.append(body) + fill(missing);
    case '^': return fill(missing / 2) + text.append(body) + fill(missing - missing / 2);
    case '=': return text + fill(missing) + std::string(body);
    default: return fill(missing) + text.append(body);
  }
}

std::string sign_of(bool is_negative, const FormatSpec& spec) {
  if (is_negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

// The digits in front of a point, in groups.
std::string grouped(std::string_view digits, char separator, std::size_t size) {
  if (separator == 0) return std::string(digits);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out;
}

// Zeros before a grouped number would be grouped too.
Status check_grouping(const FormatSpec& spec) {
  if (spec.grouping == 0 || spec.align != '=' || spec.width == 0) return {};
  return unsupported("a format that fills a grouped number up is not supported");
}

int base_of(char type) {
  switch (type) {
    case 'b': return 2;
    case 'o': return 8;
    case 'x':
    case 'X': return 16;
    default: return 10;
  }
}

std::string upper_ascii(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

std::string digits_of(double number, std::chars_format form, int64_t precision) {
  std::string buffer(static_cast<std::size_t>(precision) + 400,
                     '\0');  // a double has 309 digits before its point
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, form, static_cast<int>(precision));
  buffer.resize(static_cast<std::size_t>(end.ptr - buffer.data()));
  return buffer;
}

int exponent_of(std::string_view scientific) {
  std::string_view digits = scientific.substr(scientific.find('e') + 1);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int exponent = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  return exponent;
}

// Without zeros at the end of what stands behind the point.
std::string stripped(std::string_view digits) {
  const std::size_t e = std::min(digits.find('e'), digits.size());
  std::string mantissa(digits.substr(0, e));
  if (mantissa.find('.') != std::string::npos) {
    mantissa.resize(mantissa.find_last_not_of('0') + 1);
    if (mantissa.ends_with('.')) mantissa.pop_back();
  }
  return mantissa.append(digits.substr(e));
}

std::string with_point(std::string digits) {
  if (digits.find('.') != std::string::npos) return digits;
  return digits.insert(std::min(digits.find_first_not_of("0123456789"), digits.size()), ".");
}

// The types 'g' and none with a precision. The latter, which is a float's own, has a digit behind the point, and an
// exponent one digit earlier.
std::string general(double number, const FormatSpec& spec, int64_t precision) {
  precision = std::max<int64_t>(precision, 1);
  const bool is_own = spec.type == 0;
  std::string digits = digits_of(number, std::chars_format::scientific, precision - 1);
  const int exponent = exponent_of(digits);
  const bool has_exponent = exponent < -4 || exponent >= precision - (is_own ? 1 : 0);
  if (!has_exponent)
    digits = digits_of(number, std::chars_format::fixed, std::max<int64_t>(precision - 1 - exponent, 0));
  if (!spec.is_alternate) digits = stripped(digits);
  if (is_own && !has_exponent && digits.find('.') == std::string::npos) digits += ".0";
  return digits;
}

// `number` is finite and not negative.
std::string float_digits(double number, const FormatSpec& spec) {
  constexpr int64_t kUsualPrecision = 6;
  const int64_t precision = spec.precision.value_or(kUsualPrecision);
  switch (spec.type) {
    case 0: return spec.precision.has_value() ? general(number, spec, precision) : float_text(number);
    case 'e':
    case 'E': return digits_of(number, std::chars_format::scientific, precision);
    case 'f':
    case 'F': return digits_of(number, std::chars_format::fixed, precision);
    case '%': return digits_of(number * 100, std::chars_format::fixed, precision) + "%";
    default: return general(number, spec, precision);
  }
}

Status refuse_for_text(const FormatSpec& spec) {
  if (spec.type != 0 && spec.type != 's')
    return invalid_data(std::string("the format '") + spec.type + "' is not for text");
  if (spec.sign != '-' || spec.is_alternate || spec.grouping != 0 || spec.align == '=') {
    return invalid_data("a format for numbers is given for text");
  }
  return {};
}

}  // namespace

bool is_float_type(char type) {
  return type != 0 && std::string_view("eEfFgGn%").find(type) != std::string_view::npos;
}

Result<FormatSpec> parse_format_spec(std::string_view text) {
  FormatSpec spec;
  if (!text.empty()) {
    const std::size_t bytes = first_character(text).bytes;
    if (text.size() > bytes && kAligns.find(text[bytes]) != std::string_view::npos) {
      spec.fill = text.substr(0, bytes);
      spec.align = text[bytes];
      text.remove_prefix(bytes + 1);
    } else {
      take(&text, kAligns, &spec.align);
    }
  }
  take(&text, "+- ", &spec.sign);
  spec.is_alternate = take(&text, "#");
  if (take(&text, "0")) {
    if (spec.fill == " ") spec.fill = "0";
    if (spec.align == 0) spec.align = '0';  // as '=', for text as '<'
  }
  CAIRN_ASSIGN_OR_RETURN(const auto width, take_number(&text));
  spec.width = width.value_or(0);
  take(&text, ",_", &spec.grouping);
  if (take(&text, ".")) {
    CAIRN_ASSIGN_OR_RETURN(spec.precision, take_number(&text));
    if (!spec.precision.has_value()) return invalid_data("a format has no precision behind its '.'");
  }
  take(&text, "bcdeEfFgGnosxX%", &spec.type);
  if (!text.empty()) return invalid_data("'" + std::string(text) + "' is no format");
  return spec;
}

Result<std::string> format_integer(Budget& budget, int64_t number, const FormatSpec& spec) {
  if (spec.precision.has_value()) return invalid_data("a format for integers has no precision");
  if (spec.type == 's') return invalid_data("the format 's' is for text, not for a number");
  if (spec.type == 'c') {
    if (number < 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF))
      return invalid_data("a number is no character");
    std::string character;
    append_utf8(character, static_cast<char32_t>(number));
    return padded(budget, "", character, spec, '<');
  }
  CAIRN_RETURN_IF_ERROR(check_grouping(spec));
  const int base = base_of(spec.type);
  if (base != 10 && spec.grouping == ',') return invalid_data("',' groups decimal digits only");
  const uint64_t magnitude = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, magnitude, base);
  std::string digits(buffer, end.ptr);
  const auto missing = static_cast<std::size_t>(std::max<int64_t>(spec.digits_min - std::ssize(digits), 0));
  digits = grouped(std::string(missing, '0') + digits, spec.grouping, base == 10 ? 3 : 4);
  std::string head = sign_of(number < 0, spec);
  if (spec.is_alternate && base != 10) head += std::string("0") + (spec.type == 'X' ? 'x' : spec.type);
  if (spec.type == 'X') {
    head = upper_ascii(head);
    digits = upper_ascii(digits);
  }
  return padded(budget, head, digits, spec, '>');
}

Result<std::string> format_float(Budget& budget, double number, const FormatSpec& spec) {
  CAIRN_RETURN_IF_ERROR(check_grouping(spec));
  CAIRN_RETURN_IF_ERROR(budget.allocate(400 + static_cast<uint64_t>(spec.precision.value_or(0))));
  const bool is_negative = std::signbit(number) && !std::isnan(number);
  const double magnitude = std::abs(number);
  std::string digits = std::isnan(number)   ? "nan"
                       : std::isinf(number) ? "inf"
                                            : float_digits(magnitude, spec);
  if (!std::isfinite(number) && spec.type == '%') digits += '%';
  if (std::isfinite(number) && spec.is_alternate) digits = with_point(std::move(digits));
  if (spec.type == 'E' || spec.type == 'F' || spec.type == 'G') digits = upper_ascii(digits);
  const std::size_t before_point = std::min(digits.find_first_not_of("0123456789"), digits.size());
  digits = grouped(std::string_view(digits).substr(0, before_point), spec.grouping, 3) +
           digits.substr(before_point);
  return padded(budget, sign_of(is_negative, spec), digits, spec, '>');
}

Result<std::string> format_text(Budget& budget, std::string_view text, const FormatSpec& spec) {
  if (spec.precision.has_value()) {
    std::size_t bytes = 0;
    for (int64_t i = 0; i < *spec.precision && bytes < text.size(); ++i)
      bytes += first_character(text.substr(bytes)).bytes;
    text = text.substr(0, bytes);
  }
  return padded(budget, "", text, spec, '<');
}

Result<std::string> format_value(Budget& budget, const Value& value, std::string_view text) {
  if (text.empty()) {
    CAIRN_RETURN_IF_ERROR(budget.allocate(value.weight() * 32));
    return print(value);
  }
  CAIRN_ASSIGN_OR_RETURN(FormatSpec spec, parse_format_spec(text));
  if (const std::string* s = value.text()) {
    if (spec.align == '0') spec.align = '<';
    CAIRN_RETURN_IF_ERROR(refuse_for_text(spec));
    return format_text(budget, *s, spec);
  }
  if (spec.align == '0') spec.align = '=';
  int64_t integer = 0;
  double number = 0;
  if (value.as_integer(&integer) && (!is_float_type(spec.type) || spec.type == 'n')) {
    return format_integer(budget, integer, spec);
  }
  if (!value.as_number(&number)) {
    return invalid_data(std::string("a value of type ") + value.type_name() +
                        " has no format but the empty one");
  }
  if (spec.type != 0 && !is_float_type(spec.type)) {
    return invalid_data(std::string("the format '") + spec.type + "' is not for a float");
  }
  return format_float(budget, number, spec);
}

}  // namespace cairn::jinja
