// The plain reference for every weight type: rows of stored bytes to float and back. Scalar, kept for ever;
// embedding lookups use it, and fast kernels are tested against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/weights/tensor_type.h"

namespace cairn {

// One row: `values.size()` elements (a multiple of the type's block) from row_bytes(type, n) bytes at `row`,
// which needs no alignment. Exactly ggml's arithmetic of dequantisation.
void dequantize_row(TensorType type, const std::byte* row, std::span<float> values);

// The other way, for writing synthetic models and tests. Round to nearest even for f16 and bf16; for the
// quantised types the plain (not importance-weighted) method, good to about half a step.
void quantize_row(TensorType type, std::span<const float> values, std::byte* row);

}  // namespace cairn
