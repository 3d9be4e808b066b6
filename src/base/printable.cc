#include "base/printable.h"

#include <cstdint>
#include <limits>

namespace cairn {
namespace {

struct Character {
  uint32_t code;
  size_t bytes;  // 0: not valid UTF-8
};

Character decode_first(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t bytes = first >= 0xF0 && first < 0xF5   ? 4
                       : first >= 0xE0 && first < 0xF0 ? 3
                       : first >= 0xC2 && first < 0xE0 ? 2
                                                       : 0;
  if (bytes == 0 || text.size() < bytes) return {0, 0};
  uint32_t code = first & (0x7FU >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    code = (code << 6) | (byte(i) & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool valid = code >= kSmallest[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return valid ? Character{code, bytes} : Character{0, 0};
}

// Control characters, and those that are invisible or turn the direction of the text around them.
bool is_harmless(uint32_t code) {
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
    const Character next = decode_first(text);
    const size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes != 0 && is_harmless(next.code)) {
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
