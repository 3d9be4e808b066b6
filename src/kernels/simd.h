// The vector kernels that are written once, on V16, and compiled for each of Highway's targets. For
// kernels.cc, which builds the tables.
#pragma once

#include "kernels/kernels.h"

namespace cairn {

// Fills in the entries that the V16 kernels provide for `isa`.
void fill_vector_kernels(Isa isa, Kernels& table);
void fill_decode_kv(Isa isa, Kernels& table);
void fill_attention(Isa isa, Kernels& table);
// The float product of `isa`, for tables whose matmul chooses by weight type.
using FloatMatmul = void (*)(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                             int64_t stride);
[[nodiscard]] FloatMatmul float_matmul(Isa isa);

}  // namespace cairn
