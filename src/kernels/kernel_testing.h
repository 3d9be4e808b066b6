// Test support: random matrices in every weight type, packed, and operands with their memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/kernels.h"

namespace cairn {

// Memory for kernels: 64-byte aligned, with slack after the end as the engine's own.
template <typename T>
class TestArray {
 public:
  explicit TestArray(int64_t count) : bytes_(static_cast<size_t>(count) * sizeof(T) + 128) {
    const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
    data_ = reinterpret_cast<T*>((address + 63) / 64 * 64);
  }
  [[nodiscard]] T* data() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  std::vector<std::byte> bytes_;
  T* data_;
};

// `rows` x `columns` of normal numbers, or of those given, quantised to `type` and packed.
class TestMatrix {
 public:
  TestMatrix(TensorType type, int64_t rows, int64_t columns, uint64_t seed);
  TestMatrix(TensorType type, int64_t rows, int64_t columns, std::vector<float> values);
  [[nodiscard]] const PackedMatrix& packed() const { return packed_; }
  // The stored values, dequantised: [rows][columns].
  [[nodiscard]] const std::vector<float>& values() const { return values_; }

 private:
  std::vector<float> values_;
  TestArray<std::byte> data_;
  PackedMatrix packed_;
};

// Rows of activations prepared by `kernels` for weights of `type`. `x` must outlive it.
class TestOperand {
 public:
  TestOperand(const Kernels& kernels, TensorType type, const float* x, int64_t rows, int64_t columns,
              int64_t stride);
  [[nodiscard]] const Operand& operand() const { return operand_; }

 private:
  TestArray<std::byte> data_;
  Operand operand_;
};

[[nodiscard]] std::vector<float> random_floats(int64_t count, uint64_t seed, float scale = 1.0F);

// The whole product with `kernels`: [rows][w.rows].
[[nodiscard]] std::vector<float> multiply(const Kernels& kernels, const PackedMatrix& w, const float* x,
                                          int64_t rows, int64_t stride);

}  // namespace cairn
