// From floats to the codes of one block of a quantised type: the plain method, without a search for better
// scales. Called through kernels/weights/dequantize.h.
#pragma once

#include "kernels/weights/weight_codes.h"

namespace cairn {

// values: tensor_type_info(type).elements of them.
void choose_codes(TensorType type, const float* values, WeightCodes& to);

}  // namespace cairn
