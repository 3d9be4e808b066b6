#include "text/reply/json_scan.h"

#include <optional>

namespace cairn {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

JsonStep JsonScan::push(char c) {
  switch (expects_) {
    case Expects::kStringRest: return string_byte(c);
    case Expects::kEscaped:
      if (std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) return JsonStep::kBad;
      hex_digits_ = 4;
      expects_ = c == 'u' ? Expects::kHexDigit : Expects::kStringRest;
      return JsonStep::kInside;
    case Expects::kHexDigit:
      if (!is_hex_digit(c)) return JsonStep::kBad;
      if (--hex_digits_ == 0) expects_ = Expects::kStringRest;
      return JsonStep::kInside;
    case Expects::kNumberRest: return number_byte(c);
    case Expects::kWordRest:
      if (c != word_rest_.front()) return JsonStep::kBad;
      word_rest_.remove_prefix(1);
      return word_rest_.empty() ? end_value() : JsonStep::kInside;
    case Expects::kNothing: return JsonStep::kBad;
    default: break;
  }
  if (expects_ != Expects::kObject && is_blank(c)) return JsonStep::kInside;
  switch (expects_) {
    case Expects::kObject:
      if (c != '{') return JsonStep::kBad;
      open_ = "{";
      expects_ = Expects::kKeyOrEnd;
      return JsonStep::kInside;
    case Expects::kKeyOrEnd:
    case Expects::kKey:
      if (c == '}' && expects_ == Expects::kKeyOrEnd) return close(c);
      if (c != '"') return JsonStep::kBad;
      in_key_ = true;
      expects_ = Expects::kStringRest;
      return is_outermost() ? JsonStep::kKeyBegin : JsonStep::kInside;
    case Expects::kColon:
      if (c != ':') return JsonStep::kBad;
      expects_ = Expects::kValue;
      return JsonStep::kInside;
    case Expects::kValueOrEnd:
      if (c == ']') return close(c);
      return begin_value(c);
    case Expects::kValue: return begin_value(c);
    default: break;
  }
  // A comma, or the end.
  if (c != ',') return close(c);
  expects_ = open_.back() == '{' ? Expects::kKey : Expects::kValue;
  return JsonStep::kInside;
}

JsonStep JsonScan::begin_value(char c) {
  const JsonStep step = is_outermost() ? JsonStep::kValueBegin : JsonStep::kInside;
  const auto word = [&]() -> std::optional<std::string_view> {
    if (c == 't') return "rue";
    if (c == 'f') return "alse";
    if (c == 'n') return "ull";
    return std::nullopt;
  }();
  if (c == '"') {
    in_key_ = false;
    expects_ = Expects::kStringRest;
  } else if (c == '{' || c == '[') {
    if (open_.size() == kMostDepth) return JsonStep::kBad;
    open_ += c;
    expects_ = c == '{' ? Expects::kKeyOrEnd : Expects::kValueOrEnd;
  } else if (c == '-' || is_digit(c)) {
    number_ = c == '-' ? Number::kMinus : c == '0' ? Number::kZero : Number::kInteger;
    expects_ = Expects::kNumberRest;
  } else if (word.has_value()) {
    word_rest_ = *word;
    expects_ = Expects::kWordRest;
  } else {
    return JsonStep::kBad;
  }
  return step;
}

JsonStep JsonScan::end_value() {
  expects_ = Expects::kCommaOrEnd;
  return is_outermost() ? JsonStep::kValueEnd : JsonStep::kInside;
}

JsonStep JsonScan::close(char bracket) {
  if (bracket != (open_.back() == '{' ? '}' : ']')) return JsonStep::kBad;
  open_.pop_back();
  if (!open_.empty()) return end_value();
  expects_ = Expects::kNothing;
  return JsonStep::kDone;
}

JsonStep JsonScan::string_byte(char c) {
  if (static_cast<unsigned char>(c) < 0x20) return JsonStep::kBad;
  if (c == '\\') expects_ = Expects::kEscaped;
  if (c != '"') return JsonStep::kInside;
  if (!in_key_) return end_value();
  expects_ = Expects::kColon;
  return is_outermost() ? JsonStep::kKeyEnd : JsonStep::kInside;
}

JsonStep JsonScan::number_byte(char c) {
  const auto next = [&]() -> std::optional<Number> {
    const bool is_e = c == 'e' || c == 'E';
    switch (number_) {
      case Number::kMinus:
        if (c == '0') return Number::kZero;
        if (is_digit(c)) return Number::kInteger;
        return std::nullopt;
      case Number::kInteger:
        if (is_digit(c)) return Number::kInteger;
        [[fallthrough]];
      case Number::kZero:
        if (c == '.') return Number::kPoint;
        if (is_e) return Number::kE;
        return std::nullopt;
      case Number::kFraction:
        if (is_e) return Number::kE;
        [[fallthrough]];
      case Number::kPoint:
        if (is_digit(c)) return Number::kFraction;
        return std::nullopt;
      case Number::kE:
        if (c == '+' || c == '-') return Number::kSign;
        [[fallthrough]];
      case Number::kSign:
      case Number::kExponent:
        if (is_digit(c)) return Number::kExponent;
        return std::nullopt;
    }
    return std::nullopt;
  }();
  if (next.has_value()) {
    number_ = *next;
    return JsonStep::kInside;
  }
  const bool is_whole = number_ == Number::kZero || number_ == Number::kInteger ||
                        number_ == Number::kFraction || number_ == Number::kExponent;
  if (!is_whole) return JsonStep::kBad;
  expects_ = Expects::kCommaOrEnd;
  return push(c);  // the byte behind the number
}

}  // namespace cairn
