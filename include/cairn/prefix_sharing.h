// PrefixSharing: whether sequences that begin with the same tokens find each other's rows. Results are the
// same, bit for bit, either way.
#pragma once

#include <cstdint>

namespace cairn {

enum class PrefixSharing : uint8_t { kOn, kOff };

}  // namespace cairn
