// A block of a quantised row, unpacked into small integers and packed from them. Only weight_codes.cc knows
// the bit layouts of files: values (kernels/weights/dequantize.h) and packed panels
// (kernels/weights/packed_matrix.h) are made from these codes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weights/tensor_type.h"

namespace cairn {

// The value of a code, with level, zero, group and minimum as in code_format(type):
//   simple types       d * (level - zero) + min
//   types with blocks  d * sub_scale * sub_scale_unit * (level - zero) - min * sub_min, sub-scales and sub-minima
//   of 256             one for each group
struct WeightCodes {
  uint8_t codes[256];
  int8_t sub_scales[16];  // types with blocks of 256 only
  uint8_t sub_mins[16];   // q2_k, q4_k, q5_k only
  uint16_t d = 0;         // f16, or the exponent byte (ScaleKind)
  uint16_t min = 0;       // f16, where the type has a minimum
};

// One block (tensor_type_info(type).elements codes) of a quantised type, which needs no alignment. What is put
// together was taken apart or chosen (kernels/weights/choose_codes.h): iq3_s and iq3_xxs do not store every code beside
// every other.
void take_apart(TensorType type, const std::byte* block, WeightCodes& to);
void put_together(TensorType type, const WeightCodes& from, std::byte* block);

}  // namespace cairn
