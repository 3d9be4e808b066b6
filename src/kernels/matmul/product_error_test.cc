// How far each arithmetic's products are from those in float64: prints a table (docs/architecture.md shows it), and holds
// the bounds.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "kernels/amx_emulated_testing.h"
#include "kernels/kernel_testing.h"

namespace cairn {
namespace {

constexpr int64_t kRows = 16, kOutputs = 256, kColumns = 2048;

// Normal numbers; with outliers, each 128th column is twenty times as large, as in some models.
std::vector<float> activations(bool outliers) {
  std::vector<float> x = random_floats(kRows * kColumns, 21);
  for (size_t i = 0; outliers && i < x.size(); i += 128) x[i] *= 20;
  return x;
}

struct ProductError {
  double rms;   // of the differences from the product in float64, by the rms of that product
  double bias;  // by how much results are too large on the whole
};
ProductError error_of(const Kernels& kernels, const TestMatrix& w, const std::vector<float>& x) {
  const std::vector<float> out = multiply(kernels, w.packed(), x.data(), kRows, kColumns);
  double squares = 0, differences = 0, along = 0;
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t n = 0; n < kOutputs; ++n) {
      double exact = 0;
      for (int64_t k = 0; k < kColumns; ++k)
        exact += double{x[r * kColumns + k]} * w.values()[n * kColumns + k];
      squares += exact * exact;
      along += out[r * kOutputs + n] * exact;
      differences += (out[r * kOutputs + n] - exact) * (out[r * kOutputs + n] - exact);
    }
  }
  return {std::sqrt(differences / squares), along / squares - 1};
}

TEST(ProductError, OfRowsInBf16IsWellBelowThatOfRowsInInt8) {
  if (emulated_amx_kernels() == nullptr)
    GTEST_SKIP() << "this processor lacks AVX2, by which AMX is emulated";
  std::printf("%-8s  %-23s  %-23s\n", "weights", "int8 rows: normal, outliers",
              "bf16 rows: normal, outliers");
  for (const TensorType type : kAllTensorTypes) {
    if (!is_quantised(type)) continue;
    const TestMatrix w(type, kOutputs, kColumns, 20);
    ProductError errors[2][2];  // [outliers][arithmetic]
    for (const bool outliers : {false, true}) {
      const std::vector<float> x = activations(outliers);
      errors[outliers][0] = error_of(kernels_for(Isa::kScalar), w, x);
      errors[outliers][1] = error_of(*emulated_amx_kernels(), w, x);
      EXPECT_LT(errors[outliers][1].rms, errors[outliers][0].rms * 0.6) << tensor_type_info(type).name;
    }
    EXPECT_LT(std::abs(errors[false][1].bias), 2.5e-4) << "kCutGain";
    std::printf("%-8s  %.1e %.1e              %.1e %.1e %+.1e\n",
                std::string(tensor_type_info(type).name).c_str(), errors[false][0].rms, errors[true][0].rms,
                errors[false][1].rms, errors[true][1].rms, errors[false][1].bias);
  }
}

}  // namespace
}  // namespace cairn
