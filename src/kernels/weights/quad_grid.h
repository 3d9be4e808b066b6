// The grids of iq3_s and iq3_xxs: a file stores the magnitudes of four weights as one index into a fixed list of
// 512 (256) quads. A magnitude is a number from 0 to 7; what it is worth, the type's code book says
// (kernels/weights/tensor_type.h). The lists are those of the GGUF format; dequantize_test.cc compares every entry
// with another implementation's. For weight_codes.cc and choose_codes.cc only.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/weights/tensor_type.h"

namespace cairn {

using MagnitudeQuad = std::array<uint8_t, 4>;

// `index`: below 512 (256).
[[nodiscard]] MagnitudeQuad grid_quad(TensorType type, uint32_t index);
// The index of the quad of the grid that is nearest to this one: its own where the grid has it.
[[nodiscard]] uint32_t nearest_grid_index(TensorType type, const MagnitudeQuad& quad);

}  // namespace cairn
