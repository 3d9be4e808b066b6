// In words, what a disk and a remote store had of a prompt, whether it was loaded and why, and how long that took. Pure.
#pragma once

#include <optional>
#include <string>

#include "kv/tiers/tier.h"

namespace cairn {

// Without a line end; nothing where no tier was asked, or none had anything.
[[nodiscard]] std::optional<std::string> explain_load(const LoadReport& report);

// "loaded", "computed", "not_allowed", "none".
[[nodiscard]] std::string_view load_choice_name(LoadChoice choice);

}  // namespace cairn
