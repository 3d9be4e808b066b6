// Python's format specifications, [[fill]align][sign][#][0][width][grouping][.precision][type], and the values that
// they format. Shared by format(), '{}' and '%'.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace cairn::jinja {

struct FormatSpec {
  std::string fill = " ";     // one character
  char align = 0;             // '<', '>', '^', or '=': between sign and digits. 0: as the type has it
  char sign = '-';            // '-': only a minus; '+' or ' ': that before other numbers
  bool is_alternate = false;  // 0x before hexadecimal digits; a float has a point, and keeps its zeros
  int64_t width = 0;
  char grouping = 0;  // ',' or '_'; 0: none
  std::optional<int64_t> precision;
  int64_t digits_min = 0;  // of an integer
  char type = 0;           // 'd', 'x', 'f', ...; 0: none
};

Result<FormatSpec> parse_format_spec(std::string_view text);

// format(value, text). Charges what it makes.
Result<std::string> format_value(Budget& budget, const Value& value, std::string_view text);

// An integer in the type's base, a number as the float types write it, a text. The type is one of theirs.
Result<std::string> format_integer(Budget& budget, int64_t number, const FormatSpec& spec);
Result<std::string> format_float(Budget& budget, double number, const FormatSpec& spec);
Result<std::string> format_text(Budget& budget, std::string_view text, const FormatSpec& spec);

[[nodiscard]] bool is_float_type(char type);

}  // namespace cairn::jinja
