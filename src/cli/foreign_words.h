// Words of other programs' command lines, and what to write here instead. Options that mean the same are aliases
// (option_groups.cc); these are the others.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// Of an option, "--name" or "-n": a sentence without its full stop.
[[nodiscard]] std::optional<std::string_view> hint_for_option(std::string_view word);
// Of a command: what to run instead.
[[nodiscard]] std::optional<std::string_view> hint_for_command(std::string_view word);

// A KV plan in which the formats' other names (fp16, float32) are replaced by ours.
[[nodiscard]] std::string with_our_formats(std::string_view plan);
// Of a KV plan that names a format of another program: "q8_0: the nearest is int8".
[[nodiscard]] std::optional<std::string> hint_for_format(std::string_view plan);

}  // namespace cairn
