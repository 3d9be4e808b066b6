// The system's clock, for what outlives the process: when something was made or used. It may jump; what is measured has a
// Clock (clock.h).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace cairn {

// Milliseconds since 1970; 0 where the clock says that it is earlier.
[[nodiscard]] inline uint64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return static_cast<uint64_t>(std::max<int64_t>(0, ms));
}

}  // namespace cairn
