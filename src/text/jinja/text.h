// Python's string operations over UTF-8: a character is a code point; a byte that is not valid UTF-8 counts
// as one character and is passed through.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace cairn::jinja {

bool is_space(char32_t code);  // str.isspace(), and \s in its regular expressions
bool is_printable(char32_t code);

enum class Side { kLeft, kRight, kBoth };
std::string_view strip_space(std::string_view text, Side side);
std::string_view strip_characters(std::string_view text, std::string_view set, Side side);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalize(std::string_view text);   // first character in title case, the rest in lower
std::string title_words(std::string_view text);  // str.title()

// First occurrence at or after `from`, in time linear in both lengths; npos if none.
std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from);

}  // namespace cairn::jinja
