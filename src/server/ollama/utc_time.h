// Times as Ollama's clients read them.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

// Nanoseconds since 1970: "2026-01-31T23:59:59.123456789Z" (RFC 3339).
[[nodiscard]] std::string utc_time(int64_t unix_ns);

}  // namespace cairn
