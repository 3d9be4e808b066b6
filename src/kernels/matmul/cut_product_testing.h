// Test support: the product of quantised weights as the AMX kernels define it (cut_codes-inl.h), number by number.
#pragma once

#include <vector>

#include "kernels/weights/packed_matrix.h"

namespace cairn {

// x [rows][w.columns] times w: [rows][w.rows].
[[nodiscard]] std::vector<float> cut_product(const PackedMatrix& w, const float* x, int64_t rows);

}  // namespace cairn
