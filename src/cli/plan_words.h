// What `cairn plan` says in words, and numbers as it writes them.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

// Two decimals, or as many as it takes to see something: 10^9 bytes, and 2^30 bytes.
[[nodiscard]] std::string gb_text(uint64_t bytes);
[[nodiscard]] std::string gib_text(uint64_t bytes);

// A table of Qwen3-8B's memory that texts about KV caches give, beside the exact figures.
[[nodiscard]] std::string qwen3_8b_readings();

[[nodiscard]] std::string when_a_cache_does_not_pay();

}  // namespace cairn
