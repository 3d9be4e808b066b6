// The products with quantised weights: hand-written for the instructions that Highway lacks. By AVX2 and AVX-512 they
// have the bits of the reference: integer sums inside a scale group are exact, scales are applied in one order.
#pragma once

#include "kernels/kernels.h"

namespace cairn {

void code_matmul_avx2(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                      int64_t stride);
void code_matmul_avx512(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                        int64_t stride);

// What AMX's products take.
[[nodiscard]] constexpr OperandKind amx_operand_kind(TensorType type) {
  if (type == TensorType::kBF16) return OperandKind::kBf16;
  if (type == TensorType::kMXFP4) return OperandKind::kUncut;  // powers of two times levels of four bits
  return is_quantised(type) ? OperandKind::kCut : OperandKind::kFloat;
}

// By AMX: weights cut to bf16, activations rounded to it. Another arithmetic, far nearer to the exact product.
void prepare_cut_group(const Operand& to, int64_t group);
void code_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                     int64_t stride);

// bf16 weights through AMX: activations rounded to bf16, two at a time (TDPBF16PS) for every row count.
void prepare_bf16_group(const Operand& to, int64_t group);
void bf16_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                     int64_t stride);

}  // namespace cairn
