// Flags for the options that the library names. A message of the library says `context`, because its callers
// have options and no command line; what this program prints says --context.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// `message` with each option in backticks that has a flag replaced by that flag. All else stays as it is.
[[nodiscard]] std::string with_flags(std::string_view message);

}  // namespace cairn
