// WeightsForm: how matrices are kept in memory.
#pragma once

#include <cstdint>

namespace cairn {

enum class WeightsForm : uint8_t {
  kAsStored,
  // As the floats that they stand for. Products with quantised weights round activations, and a change of any size may
  // flip such a rounding: what changes a result by little is measured without them.
  kDequantised,
};

}  // namespace cairn
