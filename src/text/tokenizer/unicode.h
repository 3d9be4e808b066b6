// Unicode's character classes, normal forms and lower case, by ICU.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

bool is_white_space(char32_t c);  // Unicode White_Space
bool is_number(char32_t c);       // general categories Nd, Nl, No
bool is_word(char32_t c);         // alphabetic, mark, decimal digit, connector punctuation, join control

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

std::string normalize(std::string_view valid_utf8, NormalForm form);
std::string lowercase(std::string_view valid_utf8);  // character by character, whatever its neighbours

}  // namespace cairn
