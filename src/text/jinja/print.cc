#include "text/jinja/print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

Status append_repr(const Value& value, std::string* out);

void append_string_repr(std::string_view text, std::string* out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  *out += quote;
  while (!text.empty()) {
    const Character c = first_character(text);
    const uint32_t code = c.code;
    if (code == static_cast<uint32_t>(quote) || code == '\\') {
      *out += '\\';
      *out += static_cast<char>(code);
    } else if (code == '\n') {
      *out += "\\n";
    } else if (code == '\r') {
      *out += "\\r";
    } else if (code == '\t') {
      *out += "\\t";
    } else if (is_printable(code)) {
      *out += text.substr(0, c.bytes);
    } else {
      *out += code < 0x100     ? fmt::format("\\x{:02x}", code)
              : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                               : fmt::format("\\U{:08x}", code);
    }
    text.remove_prefix(c.bytes);
  }
  *out += quote;
}

Status append_items(const Items& items, std::string* out) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) *out += ", ";
    first = false;
    CAIRN_RETURN_IF_ERROR(append_repr(item, out));
  }
  return {};
}

Status append_entries(const std::vector<std::pair<Value, Value>>& entries, std::string* out) {
  *out += '{';
  bool first = true;
  for (const auto& [key, value] : entries) {
    if (!first) *out += ", ";
    first = false;
    CAIRN_RETURN_IF_ERROR(append_repr(key, out));
    *out += ": ";
    CAIRN_RETURN_IF_ERROR(append_repr(value, out));
  }
  *out += '}';
  return {};
}

Status append_sequence(const Sequence& sequence, std::string* out) {
  switch (sequence.kind) {
    case SequenceKind::kList: *out += '['; break;
    case SequenceKind::kTuple: *out += '('; break;
    case SequenceKind::kRange: *out += sequence.name; return {};
    case SequenceKind::kView: *out += sequence.name + "(["; break;
    case SequenceKind::kGenerator:
      return invalid_data("a generator cannot be printed; pass it through the filter 'list' or 'join' first");
  }
  CAIRN_RETURN_IF_ERROR(append_items(sequence.items, out));
  if (sequence.kind == SequenceKind::kTuple) {
    *out += sequence.items.size() == 1 ? ",)" : ")";
  } else {
    *out += sequence.kind == SequenceKind::kView ? "])" : "]";
  }
  return {};
}

Status append_repr(const Value& value, std::string* out) {
  if (value.is_undefined()) {
    *out += "Undefined";
  } else if (value.is_none()) {
    *out += "None";
  } else if (const auto* b = value.get_if<bool>()) {
    *out += *b ? "True" : "False";
  } else if (const auto* i = value.get_if<int64_t>()) {
    *out += std::to_string(*i);
  } else if (const auto* d = value.get_if<double>()) {
    *out += float_text(*d);
  } else if (const std::string* s = value.text()) {
    append_string_repr(*s, out);
  } else if (const Sequence* sequence = value.as_sequence()) {
    return append_sequence(*sequence, out);
  } else if (const Dict* dict = value.as_dict()) {
    return append_entries(dict->entries, out);
  } else if (const Namespace* names = value.as_namespace()) {
    *out += "<Namespace ";
    CAIRN_RETURN_IF_ERROR(append_entries(names->entries, out));
    *out += '>';
  } else if (const LoopState* loop = value.as_loop()) {
    *out += fmt::format("<LoopContext {}/{}>", loop->index + 1, loop->items.size());
  } else {
    return invalid_data("a function cannot be printed; the () of a call may be missing");
  }
  return {};
}

}  // namespace

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + 1;
  if (*digits == '+') ++digits;
  std::from_chars(digits, end, exponent);
  // Python's repr() writes an exponent below 1e-4 and from 1e16 on.
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed).ptr;
  std::string out(buffer, fixed);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

Result<std::string> print(const Value& value) {
  if (value.is_undefined()) return std::string();
  if (const std::string* s = value.text()) return *s;
  return print_repr(value);
}

Result<std::string> print_repr(const Value& value) {
  std::string out;
  CAIRN_RETURN_IF_ERROR(append_repr(value, &out));
  return out;
}

}  // namespace cairn::jinja
