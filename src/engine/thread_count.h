// The number of threads for an option of the public interface.
#pragma once

#include <fmt/format.h>

#include <optional>

#include "base/machine.h"
#include "cairn/status.h"

namespace cairn {

// Absent: all usable physical cores. kInvalidArgument: not a number of threads.
[[nodiscard]] inline Result<int> checked_thread_count(std::optional<int> asked) {
  constexpr int kMost = 1024;  // far above what shares one memory well
  if (!asked.has_value()) return usable_core_count();
  if (*asked >= 1 && *asked <= kMost) return *asked;
  return invalid_argument(fmt::format("{} threads are not possible: 1 to {} are", *asked, kMost));
}

}  // namespace cairn
