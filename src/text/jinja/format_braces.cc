#include <algorithm>
#include <charconv>

#include "text/jinja/format.h"
#include "text/jinja/number_format.h"
#include "text/jinja/print.h"
#include "text/jinja/subscript.h"

namespace cairn::jinja {

namespace {

class BraceFormat {
 public:
  BraceFormat(Budget& budget, const Arguments& arguments) : budget_(budget), arguments_(arguments) {}

  // `levels` of places inside the formats of places are read.
  Result<std::string> run(std::string_view format, int levels);

 private:
  Result<std::string> place(std::string_view text, int levels);
  Result<Value> value_of(std::string_view name);
  Result<Value> argument(std::string_view name);

  Budget& budget_;
  const Arguments& arguments_;
  enum class Numbering { kNotYet, kCounted, kWritten } numbering_ = Numbering::kNotYet;
  std::size_t next_ = 0;
};

// Where the place that begins behind a '{' ends; npos: it does not.
std::size_t end_of_place(std::string_view text) {
  int depth = 1;
  bool in_brackets = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') in_brackets = true;
    if (text[i] == ']') in_brackets = false;
    if (in_brackets) continue;
    depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (depth == 0) return i;
  }
  return std::string_view::npos;
}

Result<std::string> BraceFormat::run(std::string_view format, int levels) {
  if (levels == 0) return invalid_data("the formats of a text are nested too deep");
  std::string out;
  while (!format.empty()) {
    const std::size_t brace = std::min(format.find_first_of("{}"), format.size());
    CAIRN_RETURN_IF_ERROR(budget_.allocate(brace + 1));
    out += format.substr(0, brace);
    format.remove_prefix(brace);
    if (format.empty()) break;
    const char which = format.front();
    format.remove_prefix(1);
    if (format.starts_with(which)) {
      out += which;
      format.remove_prefix(1);
      continue;
    }
    if (which == '}') return invalid_data("a format has a single '}'");
    const std::size_t end = end_of_place(format);
    if (end == std::string_view::npos) return invalid_data("a format has a '{' without its '}'");
    CAIRN_ASSIGN_OR_RETURN(const std::string text, place(format.substr(0, end), levels));
    out += text;
    format.remove_prefix(end + 1);
  }
  return out;
}

// name[!conversion][:format]
Result<std::string> BraceFormat::place(std::string_view text, int levels) {
  std::size_t end = 0;
  for (bool in_brackets = false; end < text.size(); ++end) {
    if (text[end] == '[') in_brackets = true;
    if (text[end] == ']') in_brackets = false;
    if (!in_brackets && (text[end] == '!' || text[end] == ':')) break;
    if (text[end] == '{') return invalid_data("a format has a '{' in the name of a value");
  }
  CAIRN_ASSIGN_OR_RETURN(Value value, value_of(text.substr(0, end)));
  text.remove_prefix(end);
  if (text.starts_with('!')) {
    const char conversion = text.size() < 2 ? ' ' : text[1];
    if (conversion == 'a') return unsupported("'!a' in a format is not supported");
    if ((conversion != 's' && conversion != 'r') || (text.size() > 2 && text[2] != ':')) {
      return invalid_data("a format has no conversion but !s and !r");
    }
    CAIRN_RETURN_IF_ERROR(budget_.allocate(value.weight() * 64));
    CAIRN_ASSIGN_OR_RETURN(std::string converted, conversion == 's' ? print(value) : print_repr(value));
    value = Value::string(std::move(converted));
    text.remove_prefix(2);
  }
  if (text.starts_with(':')) text.remove_prefix(1);
  if (text.find_first_of("{}") == std::string_view::npos) return format_value(budget_, value, text);
  CAIRN_ASSIGN_OR_RETURN(const std::string format, run(text, levels - 1));
  return format_value(budget_, value, format);
}

Result<Value> BraceFormat::argument(std::string_view name) {
  const bool is_number = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
  if (!name.empty() && !is_number) {
    for (const auto& [given, value] : arguments_.named) {
      if (given == name) return value;
    }
    return invalid_data("format() is not given '" + std::string(name) + "'");
  }
  const Numbering here = name.empty() ? Numbering::kCounted : Numbering::kWritten;
  if (numbering_ != Numbering::kNotYet && numbering_ != here) {
    return invalid_data("a format has places both with numbers and without");
  }
  numbering_ = here;
  std::size_t index = next_;
  const bool is_too_large =
      is_number && std::from_chars(name.data(), name.data() + name.size(), index).ec != std::errc();
  if (!is_number) ++next_;
  if (is_too_large || index >= arguments_.positional.size())
    return invalid_data("there are not enough arguments for a format");
  return arguments_.positional[index];
}

// argument, then .attributes and [items].
Result<Value> BraceFormat::value_of(std::string_view name) {
  const std::size_t first = std::min(name.find_first_of(".["), name.size());
  CAIRN_ASSIGN_OR_RETURN(Value value, argument(name.substr(0, first)));
  name.remove_prefix(first);
  while (!name.empty()) {
    const bool is_item = name.front() == '[';
    name.remove_prefix(1);
    const std::size_t end = std::min(is_item ? name.find(']') : name.find_first_of(".["), name.size());
    const std::string key(name.substr(0, end));
    if (key.empty() || (is_item && end == name.size()))
      return invalid_data("a format has an empty attribute, or no ']'");
    name.remove_prefix(end + (is_item ? 1 : 0));
    if (is_item && !name.empty() && name.front() != '.' && name.front() != '[') {
      return invalid_data("in a format only '.' or '[' may follow a ']'");
    }
    int64_t index = 0;
    const auto read = std::from_chars(key.data(), key.data() + key.size(), index);
    const bool is_index =
        is_item && read.ec == std::errc() && read.ptr == key.data() + key.size() && key[0] != '-';
    CAIRN_ASSIGN_OR_RETURN(
        value, is_item ? get_item(budget_, value, is_index ? Value::integer(index) : Value::string(key))
                       : get_attribute(value, key));
  }
  return value;
}

}  // namespace

Result<Value> format_braces(Budget& budget, const std::string& format, const Arguments& arguments) {
  constexpr int kLevels = 2;  // as in Python
  CAIRN_ASSIGN_OR_RETURN(std::string text, BraceFormat(budget, arguments).run(format, kLevels));
  return Value::string(std::move(text));
}

}  // namespace cairn::jinja
