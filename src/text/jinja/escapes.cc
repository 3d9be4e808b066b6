#include <charconv>

#include "base/utf8.h"
#include "text/jinja/lexer.h"

namespace cairn::jinja {

namespace {

// Reads `count` hex digits at the front of `rest` and appends that code point.
Status append_hex(std::string_view* rest, std::size_t count, std::string* out) {
  uint32_t code = 0;
  const std::string_view digits = rest->substr(0, count);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  if (digits.size() < count || read.ec != std::errc() || read.ptr != digits.data() + count) {
    return invalid_data("a \\x, \\u or \\U escape in a string has too few hex digits");
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    return invalid_data("a string has an escape that is not a Unicode character: \\" + std::string(digits));
  }
  append_utf8(*out, code);
  rest->remove_prefix(count);
  return {};
}

void append_octal(std::string_view* rest, std::string* out) {
  uint32_t code = 0;
  for (int i = 0; i < 3 && !rest->empty() && rest->front() >= '0' && rest->front() <= '7'; ++i) {
    code = code * 8 + static_cast<uint32_t>(rest->front() - '0');
    rest->remove_prefix(1);
  }
  append_utf8(*out, code);
}

// The character of a one-letter escape; 0 if there is none.
char simple_escape(char letter) {
  switch (letter) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'v': return '\v';
    case '\\':
    case '\'':
    case '"': return letter;
    default: return 0;
  }
}

}  // namespace

Result<std::string> decode_escapes(std::string_view literal) {
  std::string out;
  out.reserve(literal.size());
  while (!literal.empty()) {
    const char c = literal.front();
    literal.remove_prefix(1);
    if (c != '\\' || literal.empty()) {
      out += c;
      continue;
    }
    const char letter = literal.front();
    if (letter >= '0' && letter <= '7') {
      append_octal(&literal, &out);
      continue;
    }
    literal.remove_prefix(1);
    if (letter == '\n') continue;  // a continued line
    if (const char simple = simple_escape(letter); simple != 0) {
      out += simple;
    } else if (letter == 'x') {
      CAIRN_RETURN_IF_ERROR(append_hex(&literal, 2, &out));
    } else if (letter == 'u') {
      CAIRN_RETURN_IF_ERROR(append_hex(&literal, 4, &out));
    } else if (letter == 'U') {
      CAIRN_RETURN_IF_ERROR(append_hex(&literal, 8, &out));
    } else if (letter == 'N') {
      return unsupported("escapes by a character's name, \\N{...}, are not supported in strings");
    } else {
      out += '\\';
      out += letter;
    }
  }
  return out;
}

}  // namespace cairn::jinja
