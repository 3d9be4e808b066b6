#include "text/tokenizer/byte_level.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace cairn {
namespace {

// Printable Latin-1 represents itself; the other 68 bytes are U+0100 and up, in order.
constexpr char32_t kFirstMade = 0x100;
constexpr size_t kMadeCount = 68;

constexpr bool stands_for_itself(char32_t c) {
  return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
}

struct Tables {
  std::array<char32_t, 256> character_of{};
  std::array<uint8_t, kFirstMade + kMadeCount> byte_of{};
};

constexpr Tables make_tables() {
  Tables t;
  char32_t made = kFirstMade;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const char32_t c = stands_for_itself(byte) ? byte : made++;
    t.character_of[byte] = c;
    t.byte_of[c] = static_cast<uint8_t>(byte);
  }
  return t;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::optional<std::string> bytes_of_byte_level(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
    const char32_t c = utf8_at(text, at);
    const bool known = stands_for_itself(c) || (c >= kFirstMade && c < kFirstMade + kMadeCount);
    if (!known) return std::nullopt;
    bytes += static_cast<char>(kTables.byte_of[c]);
  }
  return bytes;
}

std::string byte_level_of_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, kTables.character_of[static_cast<unsigned char>(byte)]);
  return text;
}

}  // namespace cairn
