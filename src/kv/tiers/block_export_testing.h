// Export files in memory. For tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "kv/tiers/block_export.h"
#include "store/record_fields.h"

namespace cairn {

// Reads these bytes once, from the first on.
inline ReadBytes reading(std::vector<std::byte> bytes) {
  return [bytes = std::move(bytes), at = size_t{0}](std::span<std::byte> to) mutable -> Result<size_t> {
    const size_t count = std::min(to.size(), bytes.size() - at);
    copy_bytes(to, 0, std::span(bytes).subspan(at, count));
    at += count;
    return count;
  };
}

}  // namespace cairn
