// UTF-8: the one decoder, by Unicode's table 3-7 (no overlong forms, no surrogates, nothing past U+10FFFF).
// The first group of functions takes any bytes, the second valid text only. Anyone may call these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// Any bytes. A byte that starts no whole valid character counts as one character: kReplacementCharacter, one
// byte long. (A U+FFFD that the text itself holds is three bytes long.)

struct Character {
  char32_t code = kReplacementCharacter;
  size_t bytes = 1;
};

// `text` is not empty.
Character first_character(std::string_view text);
Character last_character(std::string_view text);

size_t count_characters(std::string_view text);
std::vector<std::string_view> characters_of(std::string_view text);

// Offset of the first byte that belongs to no character; nullopt: all is valid.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// Appends the whole characters of `in` to `out`, each maximal invalid part as one kReplacementCharacter, and
// returns how many bytes were used: all but the start of a character that may continue (at most 3 bytes).
size_t take_utf8(std::string_view in, std::string& out);

// Valid text.

// Bytes of the character that starts with `lead`.
inline size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The character at `at`.
char32_t utf8_at(std::string_view text, size_t at);
// Where the character that ends just before `end` starts; `end` > 0.
size_t utf8_before(std::string_view text, size_t end);

// `character` is a Unicode scalar value: at most U+10FFFF and no surrogate.
void append_utf8(std::string& out, char32_t character);

}  // namespace cairn
