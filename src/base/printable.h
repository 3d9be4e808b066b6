// Names from files, made safe for a one-line message: a hostile name must not garble the terminal.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// `text` with control characters, invalid UTF-8 and invisible or direction-changing characters written as
// \xNN, and cut to about `characters_max` characters, with "..." if it is longer.
[[nodiscard]] std::string printable(std::string_view text, size_t characters_max = 64);

// The same for a path that a user typed: never cut.
[[nodiscard]] std::string printable_path(std::string_view path);

}  // namespace cairn
