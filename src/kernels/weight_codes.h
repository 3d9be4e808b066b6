// A block of a quantised row taken apart into small integers: the step between a file's bit layout and
// PackedMatrix. The layouts themselves are described in kernels/small_quants.h and kernels/k_quants.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/tensor_type.h"

namespace cairn {

struct WeightCodes {
  uint8_t codes[256];     // value = d * sub_scale * (code - zero) - dmin * sub_min  (k-quants)
  int8_t sub_scales[16];  // k-quants only
  uint8_t sub_mins[16];   // q2_k, q4_k, q5_k only
  uint16_t d = 0;         // f16
  uint16_t min = 0;       // f16: the minimum (q4_1, q5_1), or dmin
};

// Takes apart one block (tensor_type_info(type).elements codes) of a quantised type.
void take_apart(TensorType type, const std::byte* block, WeightCodes& to);

}  // namespace cairn
