// translate_pattern: from the syntax of the tokenizers' own engine (Oniguruma) to PCRE2's, for Regex only.
// Classes differ: there, a class may stand inside a class ([a-z[0-9]]) and classes may be intersected
// ([\p{L}&&[^\p{Han}]]); \s is Unicode's White_Space; \w is letters, marks, numbers and connectors; \h is a
// hexadecimal digit.
#pragma once

#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

// kInvalidData: a class that does not end.
Result<std::string> translate_pattern(std::string_view pattern);

}  // namespace cairn
