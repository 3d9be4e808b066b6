// The AMX part of kernels/probe.h.
#pragma once

#include <cstdint>

namespace cairn {

// bf16 tile products with all tiles in registers; returns the operations done.
double amx_multiply_rounds(int64_t rounds);

}  // namespace cairn
