#include "kernels/kernel_testing.h"

#include <utility>

#include "kernels/weights/dequantize.h"

namespace cairn {

TestMatrix::TestMatrix(TensorType type, int64_t rows, int64_t columns, uint64_t seed)
    : TestMatrix(type, rows, columns, random_floats(rows * columns, seed)) {}

TestMatrix::TestMatrix(TensorType type, int64_t rows, int64_t columns, std::vector<float> values)
    : values_(std::move(values)), data_(packed_bytes(type, rows, columns)) {
  const int64_t bytes = row_bytes(type, columns);
  std::vector<std::byte> stored(static_cast<size_t>(rows * bytes));
  for (int64_t r = 0; r < rows; ++r) {
    const std::span<float> row(values_.data() + r * columns, static_cast<size_t>(columns));
    quantize_row(type, row, stored.data() + r * bytes);
    dequantize_row(type, stored.data() + r * bytes, row);
  }
  packed_ = {type, rows, columns, data_.data()};
  for (int64_t panel = 0; panel < packed_.panel_count(); ++panel) {
    const std::byte* panel_rows[kPanelRows];
    for (int64_t r = 0; r < kPanelRows; ++r) {
      const int64_t row = panel * kPanelRows + r;
      panel_rows[r] = row < rows ? stored.data() + row * bytes : nullptr;
    }
    pack_panel(type, panel_rows, columns, data_.data() + panel * panel_bytes(type, columns));
  }
}

TestOperand::TestOperand(const Kernels& kernels, TensorType type, const float* x, int64_t rows,
                         int64_t columns, int64_t stride)
    : data_(operand_bytes(rows, columns)) {
  operand_ = make_operand(kernels.operand_kind(type), x, rows, columns, stride, data_.data());
  for (int64_t g = 0; g * kOperandRows < rows; ++g) kernels.prepare_group(operand_, g);
}

std::vector<float> random_floats(int64_t count, uint64_t seed, float scale) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(generator);
  return values;
}

std::vector<float> multiply(const Kernels& kernels, const PackedMatrix& w, const float* x, int64_t rows,
                            int64_t stride) {
  const TestOperand operand(kernels, w.type, x, rows, w.columns, stride);
  std::vector<float> out(static_cast<size_t>(rows * w.rows));
  const TestArray<float> work(kWorkFloats);
  const MatmulTile all{0, w.panel_count(), 0, (rows + kOperandRows - 1) / kOperandRows, work.data()};
  kernels.matmul(w, operand.operand(), all, out.data(), w.rows);
  return out;
}

}  // namespace cairn
