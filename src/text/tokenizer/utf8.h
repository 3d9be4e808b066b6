// UTF-8: checking it, walking over it, and mending what is broken. Functions that walk take valid text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// Offset of the first byte that belongs to no character; nullopt: all is valid (Unicode's table 3-7).
std::optional<size_t> find_invalid_utf8(std::string_view text);

// Appends the whole characters of `in` to `out`, each maximal broken part as one U+FFFD, and returns how many
// bytes were used: all but the start of a character that may go on (at most 3 bytes).
size_t take_utf8(std::string_view in, std::string& out);

// Bytes of the character that starts with `lead`, in valid text.
inline size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The character at `at`, in valid text.
char32_t utf8_at(std::string_view text, size_t at);
// Where the character that ends just before `end` starts, in valid text; `end` > 0.
size_t utf8_before(std::string_view text, size_t end);

void append_utf8(std::string& out, char32_t character);

}  // namespace cairn
