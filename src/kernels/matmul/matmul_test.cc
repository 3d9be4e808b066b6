#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/amx_emulated_testing.h"
#include "kernels/kernel_testing.h"
#include "kernels/matmul/cut_product_testing.h"

namespace cairn {
namespace {

bool same_bits(const float* a, const float* b, size_t n) { return std::memcmp(a, b, n * sizeof(float)) == 0; }

// Tables that name the reference's arithmetic have its bits; AMX's products in bf16 are their own.
bool has_reference_bits(const Kernels& kernels, TensorType type) {
  return kernels.arithmetic == kReferenceArithmetic || (type != TensorType::kBF16 && !is_quantised(type));
}
std::vector<float> reference_product(const Kernels& kernels, const PackedMatrix& w, const float* x,
                                     int64_t rows) {
  if (has_reference_bits(kernels, w.type)) return multiply(kernels_for(Isa::kScalar), w, x, rows, w.columns);
  return is_quantised(w.type) ? cut_product(w, x, rows) : multiply(kernels, w, x, rows, w.columns);
}

struct Shape {
  int64_t outputs;
  int64_t columns;
};
std::vector<Shape> shapes_for(TensorType type) {
  const int64_t step = tensor_type_info(type).elements;
  if (step == 1) return {{1, 1}, {16, 32}, {17, 33}, {40, 7}, {144, 96}, {50, 514}, {40, 1060}};
  return {{1, step}, {16, step}, {37, 3 * step}, {40, 9 * step}, {160, 2 * step}};
}

class Matmul : public testing::TestWithParam<std::tuple<TestKernels, TensorType>> {};

TEST_P(Matmul, EveryRowCountGivesTheReferencesBits) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const TensorType type = std::get<1>(GetParam());
  for (const auto& [outputs, columns] : shapes_for(type)) {
    const TestMatrix w(type, outputs, columns, 1);
    constexpr int64_t kRows = 37;
    const std::vector<float> x = random_floats(kRows * columns, 2);
    const std::vector<float> truth = reference_product(kernels, w.packed(), x.data(), kRows);
    for (int64_t rows = 1; rows <= kRows; rows += rows < 20 ? 1 : 5) {
      const std::vector<float> out = multiply(kernels, w.packed(), x.data(), rows, columns);
      ASSERT_TRUE(same_bits(out.data(), truth.data(), out.size()))
          << outputs << " x " << columns << ", " << rows << " rows";
    }
  }
}

TEST_P(Matmul, ARowDoesNotDependOnItsPlaceNorItsNeighbours) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const TensorType type = std::get<1>(GetParam());
  const int64_t columns = 2 * std::max<int64_t>(tensor_type_info(type).elements, 48);
  const TestMatrix w(type, 100, columns, 3);
  const std::vector<float> row = random_floats(columns, 4);
  const std::vector<float> alone = multiply(kernels, w.packed(), row.data(), 1, columns);
  for (int64_t rows : {2, 3, 5, 8, 16, 17, 31, 33, 64}) {
    std::vector<float> x = random_floats(rows * columns, 5 + static_cast<uint64_t>(rows), 100.0F);
    for (int64_t place : {int64_t{0}, rows / 2, rows - 1}) {
      std::vector<float> with_row = x;
      std::copy(row.begin(), row.end(), with_row.begin() + place * columns);
      const std::vector<float> out = multiply(kernels, w.packed(), with_row.data(), rows, columns);
      ASSERT_TRUE(same_bits(out.data() + place * 100, alone.data(), 100)) << rows << " rows, at " << place;
    }
  }
}

// More row groups, panels and columns than any kernel takes at a time.
TEST_P(Matmul, RowsByTheHundredHaveTheBitsOfAFew) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const TensorType type = std::get<1>(GetParam());
  constexpr int64_t kOutputs = 300, kColumns = 1280, kRows = 515, kFew = 7;
  const TestMatrix w(type, kOutputs, kColumns, 10);
  const std::vector<float> x = random_floats(kRows * kColumns, 11);
  const std::vector<float> all = multiply(kernels, w.packed(), x.data(), kRows, kColumns);
  for (int64_t row = 0; row + kFew <= kRows; row += 41) {
    const std::vector<float> few = multiply(kernels, w.packed(), x.data() + row * kColumns, kFew, kColumns);
    ASSERT_TRUE(same_bits(few.data(), all.data() + row * kOutputs, few.size())) << "from row " << row;
  }
}

// Pieces of one step and of a part of one, odd numbers of row groups and of panels.
TEST_P(Matmul, ManyRowsOfAnyShapeHaveTheBitsOfAFew) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const TensorType type = std::get<1>(GetParam());
  constexpr int64_t kFew = 3;
  const int64_t step = std::max<int64_t>(tensor_type_info(type).elements, 32);
  for (const int64_t columns : {step, 2 * step, step > 32 ? 3 * step : 17 * step}) {
    for (const int64_t outputs : {40, 16}) {
      const TestMatrix w(type, outputs, columns, 12);
      for (const int64_t rows : {65, 80, 97}) {
        const std::vector<float> x = random_floats(rows * columns, 13);
        const std::vector<float> all = multiply(kernels, w.packed(), x.data(), rows, columns);
        for (int64_t row = 0; row + kFew <= rows; row += 31) {
          const std::vector<float> few =
              multiply(kernels, w.packed(), x.data() + row * columns, kFew, columns);
          ASSERT_TRUE(same_bits(few.data(), all.data() + row * outputs, few.size()))
              << rows << " rows of " << columns << ", " << outputs << " outputs, from row " << row;
        }
      }
    }
  }
}

// Weights whose codes are the highest or the lowest of their type, times activations whose codes all are 127 or -127.
TEST_P(Matmul, TheLargestSumsOfCodesFit) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const TensorType type = std::get<1>(GetParam());
  const int64_t columns = std::max<int64_t>(tensor_type_info(type).elements, 64);
  // The first of each sixteen numbers decides how the others are coded: with most types as the highest code.
  constexpr float kWeights[][2] = {{1, 1},         {-1, -1}, {1, -0.875F}, {-1, 0.875F},
                                   {1, -0.96875F}, {0, 1},   {1, 0}};
  constexpr float kActivations[][2] = {{1, 1}, {-1, -1}, {1, -1}};
  std::vector<float> weights, x;
  for (const auto& [first, others] : kWeights) {
    for (int64_t k = 0; k < columns; ++k) weights.push_back(k % 16 == 0 ? first : others);
  }
  for (const auto& [even, odd] : kActivations) {
    for (int64_t k = 0; k < columns; ++k) x.push_back(k % 2 == 0 ? even : odd);
  }
  const TestMatrix w(type, std::ssize(kWeights), columns, weights);
  const std::vector<float> truth = reference_product(kernels, w.packed(), x.data(), std::ssize(kActivations));
  for (int64_t row = 0; row < std::ssize(kActivations); ++row) {
    for (const int64_t rows : {1, 2, 3}) {
      if (row + rows > std::ssize(kActivations)) continue;
      const std::vector<float> out = multiply(kernels, w.packed(), x.data() + row * columns, rows, columns);
      ASSERT_TRUE(same_bits(out.data(), truth.data() + row * w.packed().rows, out.size()))
          << rows << " from " << row;
    }
  }
}

TEST_P(Matmul, IsNearTheProductInDouble) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const TensorType type = std::get<1>(GetParam());
  const int64_t columns = 2 * std::max<int64_t>(tensor_type_info(type).elements, 64);
  const TestMatrix w(type, 48, columns, 6);
  const std::vector<float> x = random_floats(5 * columns, 7);
  const std::vector<float> out = multiply(kernels, w.packed(), x.data(), 5, columns);
  // Rounding an activation costs 2^-9 of it (bf16) or 1/254 of its group's largest (int8).
  const bool rounded = kernels.operand_kind(type) != OperandKind::kFloat;
  for (int64_t r = 0; r < 5; ++r) {
    for (int64_t n = 0; n < 48; ++n) {
      double exact = 0, size = 0;
      for (int64_t k = 0; k < columns; ++k) {
        const double product = double{x[r * columns + k]} * w.values()[n * columns + k];
        exact += product;
        size += product * product;
      }
      EXPECT_NEAR(out[r * 48 + n], exact, (rounded ? 0.05 : 1e-5) * std::sqrt(size) + 1e-6);
    }
  }
}

TEST(MatmulAmx, HasTheBitsOfItsEmulation) {
  if (available_isas().back() != Isa::kAmx) GTEST_SKIP() << "this processor has no AMX";
  EXPECT_EQ(kernels_for(Isa::kAmx).arithmetic, emulated_amx_kernels()->arithmetic);
  for (const TensorType type : kAllTensorTypes) {
    const TestMatrix w(type, 300, 1280,
                       8);  // more than one piece of columns, more panels than one pass takes
    for (const int64_t rows : {1, 7, 16, 37, 64, 65, 81, 300, 515}) {
      const std::vector<float> x = random_floats(rows * 1280, 9);
      const std::vector<float> real = multiply(kernels_for(Isa::kAmx), w.packed(), x.data(), rows, 1280);
      const std::vector<float> emulated = multiply(*emulated_amx_kernels(), w.packed(), x.data(), rows, 1280);
      ASSERT_TRUE(same_bits(real.data(), emulated.data(), real.size())) << rows << " rows";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Matmul, testing::Combine(testing::ValuesIn(all_test_kernels()), testing::ValuesIn(kAllTensorTypes)),
    [](const auto& test) {
      return std::get<0>(test.param).name + "_" + std::string(tensor_type_info(std::get<1>(test.param)).name);
    });

}  // namespace
}  // namespace cairn
