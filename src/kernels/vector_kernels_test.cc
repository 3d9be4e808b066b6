// Norms, activations and RoPE: every instruction set against the plain reference, by the bit, and the
// reference against libm in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/kernel_testing.h"
#include "kernels/reference.h"

namespace cairn {
namespace {

class VectorKernels : public testing::TestWithParam<Isa> {
 protected:
  // Runs f(kernels, out) on this instruction set and on the reference, for lengths around the vector's.
  template <typename Function>
  void expect_same_bits(const Function& f) {
    for (const int64_t n : {1, 2, 15, 16, 17, 31, 33, 64, 100, 384}) {
      std::vector<float> out(static_cast<size_t>(n)), truth(static_cast<size_t>(n));
      f(kernels_for(GetParam()), n, out.data());
      f(kernels_for(Isa::kScalar), n, truth.data());
      ASSERT_EQ(std::memcmp(out.data(), truth.data(), out.size() * sizeof(float)), 0) << n << " elements";
    }
  }
  std::vector<float> a_ = random_floats(400, 1, 3.0F);
  std::vector<float> b_ = random_floats(400, 2);
  std::vector<float> c_ = random_floats(400, 3);
};

TEST_P(VectorKernels, HaveTheReferencesBits) {
  expect_same_bits(
      [&](const Kernels& k, int64_t n, float* out) { k.rms_norm(a_.data(), b_.data(), 1e-5F, n, out); });
  expect_same_bits([&](const Kernels& k, int64_t n, float* out) {
    k.layer_norm(a_.data(), b_.data(), c_.data(), 1e-3F, n, out);
  });
  expect_same_bits([&](const Kernels& k, int64_t n, float* out) { k.add(a_.data(), b_.data(), n, out); });
  expect_same_bits(
      [&](const Kernels& k, int64_t n, float* out) { k.silu_times(a_.data(), b_.data(), n, out); });
  expect_same_bits(
      [&](const Kernels& k, int64_t n, float* out) { k.gelu_times(a_.data(), b_.data(), n, out); });
  expect_same_bits([&](const Kernels& k, int64_t n, float* out) { k.gelu(a_.data(), n, out); });
  expect_same_bits([&](const Kernels& k, int64_t n, float* out) {
    std::copy_n(a_.data(), n, out);
    k.soft_cap(2.5F, n, out);
    k.scale(0.37F, n, out);
  });
}

TEST_P(VectorKernels, RopeHasTheReferencesBits) {
  for (const int64_t pairs : {1, 4, 8, 32, 33}) {
    for (const auto which : {&Kernels::rope_adjacent, &Kernels::rope_halves}) {
      std::vector<float> out = a_, truth = a_;
      (kernels_for(GetParam()).*which)(b_.data(), c_.data(), pairs, out.data());
      (kernels_for(Isa::kScalar).*which)(b_.data(), c_.data(), pairs, truth.data());
      ASSERT_EQ(std::memcmp(out.data(), truth.data(), out.size() * sizeof(float)), 0) << pairs << " pairs";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, VectorKernels, testing::ValuesIn(available_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

TEST(Reference, ExpIsNearLibm) {
  for (float x = -87.0F; x <= 88.0F; x += 0.0137F) {
    const double exact = std::exp(double{x});
    ASSERT_NEAR(reference::exp_f32(x), exact, 1.6e-7 * exact) << x;
  }
  EXPECT_EQ(reference::exp_f32(0.0F), 1.0F);
  EXPECT_EQ(reference::exp_f32(-87.5F), 0.0F);
  EXPECT_EQ(reference::exp_f32(-INFINITY), 0.0F);
}

TEST(Reference, TanhIsNearLibm) {
  for (float x = -12.0F; x <= 12.0F; x += 0.0031F)
    ASSERT_NEAR(reference::tanh_f32(x), std::tanh(double{x}), 2e-7) << x;
  EXPECT_EQ(reference::tanh_f32(100.0F), 1.0F);
  EXPECT_EQ(reference::tanh_f32(-100.0F), -1.0F);
}

}  // namespace
}  // namespace cairn
