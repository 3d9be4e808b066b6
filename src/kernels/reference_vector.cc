#include <bit>
#include <cmath>

#include "kernels/apply_rope.h"
#include "kernels/constants.h"
#include "kernels/float16.h"
#include "kernels/reference.h"

namespace cairn::reference {
namespace {

// Vectors are summed in sixteen lanes (element i in lane i mod 16), which are then added by halves.
class LaneSum {
 public:
  void add(int64_t i, float value) { lane_[i % 16] += value; }
  void add_product(int64_t i, float a, float b) { lane_[i % 16] = std::fma(a, b, lane_[i % 16]); }
  [[nodiscard]] float total() {
    for (int half = 8; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) lane_[i] += lane_[i + half];
    }
    return lane_[0];
  }

 private:
  float lane_[16] = {};
};

float silu(float x) { return x / (1.0F + exp_f32(-x)); }

float gelu_one(float x) {
  const float inner = kSqrt2OverPi * std::fma(kGeluCubic * x * x, x, x);
  return 0.5F * x * (1.0F + tanh_f32(inner));
}

}  // namespace

float exp_f32(float x) {
  if (!(x >= kExpLowest)) return 0.0F;
  const float clamped = x > kExpHighest ? kExpHighest : x;
  const float n = std::fma(clamped, kLog2E, kRoundMagic) - kRoundMagic;
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, clamped));
  float p = kExpPoly[0];
  for (int i = 1; i < kExpPolyCount; ++i) p = std::fma(p, r, kExpPoly[i]);
  return std::bit_cast<float>(std::bit_cast<int32_t>(p) + (static_cast<int32_t>(n) << 23));
}

float tanh_f32(float x) {
  const float e = exp_f32(std::abs(x) * -2.0F);
  return std::copysign((1.0F - e) / (1.0F + e), x);
}

void rms_norm(const float* x, const float* w, float eps, int64_t n, float* out) {
  LaneSum squares;
  for (int64_t i = 0; i < n; ++i) squares.add_product(i, x[i], x[i]);
  const float factor = 1.0F / std::sqrt(squares.total() / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor * w[i];
}

void layer_norm(const float* x, const float* w, const float* b, float eps, int64_t n, float* out) {
  LaneSum sum;
  for (int64_t i = 0; i < n; ++i) sum.add(i, x[i]);
  const float mean = sum.total() / static_cast<float>(n);
  LaneSum squares;
  for (int64_t i = 0; i < n; ++i) squares.add_product(i, x[i] - mean, x[i] - mean);
  const float factor = 1.0F / std::sqrt(squares.total() / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = std::fma((x[i] - mean) * factor, w[i], b[i]);
}

void add(const float* a, const float* b, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

void scale(float factor, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

void silu_times(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = silu(gate[i]) * up[i];
}

void gelu_times(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = gelu_one(gate[i]) * up[i];
}

void gelu(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = gelu_one(x[i]);
}

void soft_cap(float cap, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = cap * tanh_f32(x[i] / cap);
}

void rope_adjacent(const float* cosines, const float* sines, int64_t pairs, float* head) {
  apply_rope_adjacent(cosines, sines, pairs, head);
}

void rope_halves(const float* cosines, const float* sines, int64_t pairs, float* head) {
  apply_rope_halves(cosines, sines, pairs, head);
}

}  // namespace cairn::reference
