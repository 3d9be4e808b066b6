// The manual page, made of what --help says: `cairn help --man` prints it, and the build keeps it as cairn.1.
#pragma once

#include <span>
#include <string>

namespace cairn {

// What `cairn NAME --help` prints.
struct HelpPage {
  std::string name;  // "generate", "model synth"
  std::string text;
};

// In the man macros, ASCII only where the help is. `overview` is what `cairn --help` prints; the same pages give the same
// text, on any day.
[[nodiscard]] std::string man_page(const std::string& overview, std::span<const HelpPage> pages);

}  // namespace cairn
