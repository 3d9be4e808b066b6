// Byte counts as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

// "2GiB", "512 MiB", "1.5GB", "4096": binary units (KiB, MiB, GiB, TiB), decimal ones (kB, MB, GB, TB), or
// bytes; case does not matter, nor does the B of a unit. kInvalidArgument: something else, or 0, or more than
// 2^62.
Result<uint64_t> parse_byte_count(std::string_view text);

}  // namespace cairn
