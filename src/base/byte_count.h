// Counts of bytes as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

// "2GiB", "512 MiB", "1.5GB", "4096": binary units (KiB, MiB, GiB, TiB), decimal ones (kB, MB, GB, TB), or
// bytes. Case does not matter, and the B of a unit may be left out. Neither 0 nor more than 2^62 is accepted.
Result<uint64_t> parse_byte_count(std::string_view text);

}  // namespace cairn
