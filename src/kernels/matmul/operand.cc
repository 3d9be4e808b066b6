#include "kernels/matmul/operand.h"

#include <algorithm>

namespace cairn {
namespace {

int64_t group_count(int64_t rows, int64_t columns) {
  return rows * ((columns + kCodeGroup - 1) / kCodeGroup);
}

constexpr int64_t kInt8Bytes = 32 + 4 + 8 + 4;  // codes, scale, two sums and offset of a group of 32 columns
constexpr int64_t kBf16Bytes = 64;
constexpr int64_t kCutRowBytes = 32 * sizeof(float);
constexpr int64_t kBehindBytes = (kOperandRows - 1) * kBf16Bytes;

}  // namespace

int64_t operand_bytes(int64_t rows, int64_t columns) {
  // Never less for more rows: callers reserve for the most. A single one has its f32 form too.
  const int64_t of_group = std::max(rows * std::max(kInt8Bytes, kBf16Bytes), kBf16Bytes + kCutRowBytes);
  return group_count(1, columns) * of_group + kBehindBytes;
}

Operand make_operand(OperandKind kind, const float* x, int64_t rows, int64_t columns, int64_t stride,
                     std::byte* memory) {
  const int64_t groups = group_count(rows, columns);
  Operand operand{.kind = kind, .row_count = rows, .columns = columns, .x = x, .stride = stride};
  if (kind == OperandKind::kInt8) {
    operand.codes = reinterpret_cast<int8_t*>(memory);
    operand.scales = reinterpret_cast<float*>(memory + 32 * groups);
    operand.sums = reinterpret_cast<int32_t*>(memory + 36 * groups);
    operand.offsets = reinterpret_cast<int32_t*>(memory + 44 * groups);
  } else if (kind != OperandKind::kFloat) {
    operand.bf16 = reinterpret_cast<uint16_t*>(memory);
    if (kind != OperandKind::kBf16 && rows == 1)
      operand.cut_row = reinterpret_cast<float*>(memory + kBf16Bytes * groups);
  }
  return operand;
}

}  // namespace cairn
