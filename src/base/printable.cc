#include "base/printable.h"

#include <limits>

#include "base/utf8.h"

namespace cairn {
namespace {

// Not a control character, and none that is invisible or changes the direction of the text around it. Nor
// U+FFFD: the bytes that it stands for are shown instead.
bool is_harmless(char32_t code) {
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return false;
  if (code == 0xAD || code == 0x61C || code == 0xFEFF) return false;
  if ((code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E)) return false;
  if ((code >= 0x2060 && code <= 0x206F) || (code >= 0xFFF0 && code <= 0xFFFF)) return false;
  return code < 0xE0000;
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += "\\x";
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
}

}  // namespace

std::string printable(std::string_view text, size_t characters_max) {
  std::string out;
  size_t characters = 0;
  while (!text.empty()) {
    if (characters++ == characters_max) return out + "...";
    const auto [code, bytes] = first_character(text);
    if (is_harmless(code)) {
      out += text.substr(0, bytes);
    } else {
      append_escaped(out, text.substr(0, bytes));
    }
    text.remove_prefix(bytes);
  }
  return out;
}

std::string printable_path(std::string_view path) {
  return printable(path, std::numeric_limits<size_t>::max());
}

}  // namespace cairn
