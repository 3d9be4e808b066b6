// A block of a quantised row, unpacked into small integers and packed from them. Only weight_codes.cc knows
// the bit layouts of files: values (kernels/weights/dequantize.h) and packed panels
// (kernels/weights/packed_matrix.h) are made from these codes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weights/tensor_type.h"

namespace cairn {

// The value of a code, with zero, group and minimum as in code_format(type):
//   simple types  d * (code - zero) + min
//   k-quants      d * sub_scale * (code - zero) - min * sub_min, sub-scales and sub-minima one for each group
struct WeightCodes {
  uint8_t codes[256];
  int8_t sub_scales[16];  // k-quants only
  uint8_t sub_mins[16];   // q2_k, q4_k, q5_k only
  uint16_t d = 0;         // f16
  uint16_t min = 0;       // f16, where the type has a minimum
};

// One block (tensor_type_info(type).elements codes) of a quantised type, which needs no alignment.
void take_apart(TensorType type, const std::byte* block, WeightCodes& to);
void put_together(TensorType type, const WeightCodes& from, std::byte* block);

}  // namespace cairn
