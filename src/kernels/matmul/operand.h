// Operand: activation rows [row][column] prepared for the matrix product with one kind of weights. Each
// row's form depends on that row alone: scales are per row, in groups of kCodeGroup columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weights/packed_matrix.h"

namespace cairn {

enum class OperandKind : uint8_t {
  kFloat,  // the f32 rows as they are
  kInt8,   // per 32 columns: int8 codes round(x * 127 / max|x|), an f32 scale, and the codes' sums
  kBf16,   // rounded to bf16, for AMX
  // For weights that AMX's kernels cut to bf16 (cut_codes-inl.h): times kCutGain, rounded to bf16; of each 32 columns the
  // quads in the order 0, 4, 1, 5, 2, 6, 3, 7.
  kCut,
  kUncut,  // as kCut without the gain, for weights that bf16 holds exactly
};
inline constexpr OperandKind kAllOperandKinds[] = {
    OperandKind::kFloat, OperandKind::kInt8, OperandKind::kBf16, OperandKind::kCut, OperandKind::kUncut};

// Rows are taken in groups of 16 (the last may have fewer); inside a group of R rows the order is
// [32 columns][R rows][32], so that a tile of any height is contiguous.
inline constexpr int64_t kOperandRows = 16;

// What cutting takes off a weight: 1/360 of it on average, over the types (product_error_test.cc).
inline constexpr float kCutGain = 361.0F / 360.0F;

struct Operand {
  OperandKind kind = OperandKind::kFloat;
  int64_t row_count = 0;
  int64_t columns = 0;
  const float* x = nullptr;  // kFloat: [row_count][stride]
  int64_t stride = 0;
  // kInt8; of row group g, column group c and row r of its R rows, index i = g * 16 * columns / 32 + c * R +
  // r:
  int8_t* codes = nullptr;     // codes[32 * i ...]
  float* scales = nullptr;     // scales[i]
  int32_t* sums = nullptr;     // sums[2 * i], [2 * i + 1]: of the first and the second 16 codes
  int32_t* offsets = nullptr;  // offsets[i]: -128 times the sum of all 32, which removes q8_0's zero point
  // kBf16, kCut, kUncut: bf16[32 * i ...]; columns filled to a multiple of 32 with zeros. Sixteen rows from any row group's
  // first one on may be read: those behind the last may hold anything.
  uint16_t* bf16 = nullptr;
  float* cut_row = nullptr;  // kCut and kUncut, of a single row: the same numbers as f32, in the same order

  [[nodiscard]] int64_t rows_in_group(int64_t group) const {
    const int64_t left = row_count - group * kOperandRows;
    return left < kOperandRows ? left : kOperandRows;
  }
  [[nodiscard]] int64_t column_groups() const { return (columns + kCodeGroup - 1) / kCodeGroup; }
  // Index of (row group, column group, row 0); the next column group is rows_in_group() further.
  [[nodiscard]] int64_t first_index(int64_t group) const { return group * kOperandRows * column_groups(); }
};

// Bytes that an operand's own forms need, whatever the kind, and the operand over that memory (64-byte
// aligned).
[[nodiscard]] int64_t operand_bytes(int64_t rows, int64_t columns);
[[nodiscard]] Operand make_operand(OperandKind kind, const float* x, int64_t rows, int64_t columns,
                                   int64_t stride, std::byte* memory);

}  // namespace cairn
