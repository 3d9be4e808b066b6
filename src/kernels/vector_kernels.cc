// Norms, activations, RoPE and the operands' preparation, on V16. Each follows its plain reference
// operation by operation.
#include "kernels/hwy_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernels/apply_rope.h"
#include "kernels/reference.h"
#include "kernels/simd.h"
#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

// Calls whole(i) for each full vector, then runs the last n % 16 elements through the same vector code in
// buffers: a tail is masked lanes of the same function.
template <class Function>
HWY_INLINE void map(int64_t n, const float* a, const float* b, float* out, const Function& f) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(f(load(a + i), load(b + i)), out + i);
  if (i == n) return;
  alignas(64) float x[16] = {}, y[16] = {};
  for (int64_t j = i; j < n; ++j) {
    x[j - i] = a[j];
    y[j - i] = b[j];
  }
  store(f(load(x), load(y)), x);
  for (int64_t j = i; j < n; ++j) out[j] = x[j - i];
}

// The sum of f(vector) over x, in the reference's lane order; lanes past n add f's value at `fill`.
template <class Function>
HWY_INLINE float sum_of(int64_t n, const float* x, float fill, const Function& accumulate) {
  V16 sum = broadcast(0.0F);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) sum = accumulate(load(x + i), sum);
  if (i < n) {
    alignas(64) float tail[16];
    for (int64_t j = 0; j < 16; ++j) tail[j] = i + j < n ? x[i + j] : fill;
    sum = accumulate(load(tail), sum);
  }
  return sum_lanes(sum);
}

void rms_norm(const float* x, const float* w, float eps, int64_t n, float* out) {
  const float squares =
      sum_of(n, x, 0.0F, [](const V16& v, const V16& sum) HWY_ATTR { return fma(v, v, sum); });
  const V16 factor = broadcast(1.0F / std::sqrt(squares / static_cast<float>(n) + eps));
  map(n, x, w, out, [&](const V16& v, const V16& weight) HWY_ATTR { return v * factor * weight; });
}

void layer_norm(const float* x, const float* w, const float* b, float eps, int64_t n, float* out) {
  const float total = sum_of(n, x, 0.0F, [](const V16& v, const V16& sum) HWY_ATTR { return sum + v; });
  const float mean = total / static_cast<float>(n);
  const V16 means = broadcast(mean);
  const float squares = sum_of(n, x, mean, [&](const V16& v, const V16& sum) HWY_ATTR {
    const V16 d = v - means;
    return fma(d, d, sum);
  });
  const float factor = 1.0F / std::sqrt(squares / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = std::fma((x[i] - mean) * factor, w[i], b[i]);
}

void add(const float* a, const float* b, int64_t n, float* out) {
  map(n, a, b, out, [](const V16& x, const V16& y) HWY_ATTR { return x + y; });
}

void scale(float factor, int64_t n, float* x) {
  const V16 f = broadcast(factor);
  map(n, x, x, x, [&](const V16& v, const V16&) HWY_ATTR { return v * f; });
}

HWY_INLINE V16 gelu_one(const V16& x) {
  const V16 cubic = fma(broadcast(kGeluCubic) * x * x, x, x);
  return broadcast(0.5F) * x * (broadcast(1.0F) + tanh(broadcast(kSqrt2OverPi) * cubic));
}

void silu_times(const float* gate, const float* up, int64_t n, float* out) {
  const V16 one = broadcast(1.0F);
  const V16 zero = broadcast(0.0F);
  map(n, gate, up, out, [&](const V16& x, const V16& y) HWY_ATTR { return x / (one + exp(zero - x)) * y; });
}

void gelu_times(const float* gate, const float* up, int64_t n, float* out) {
  map(n, gate, up, out, [](const V16& x, const V16& y) HWY_ATTR { return gelu_one(x) * y; });
}

void gelu(const float* x, int64_t n, float* out) {
  map(n, x, x, out, [](const V16& v, const V16&) HWY_ATTR { return gelu_one(v); });
}

void soft_cap(float cap, int64_t n, float* x) {
  const V16 c = broadcast(cap);
  map(n, x, x, x, [&](const V16& v, const V16&) HWY_ATTR { return c * tanh(v / c); });
}

void rope_adjacent(const float* cosines, const float* sines, int64_t pairs, float* head) {
  apply_rope_adjacent(cosines, sines, pairs, head);
}

void rope_halves(const float* cosines, const float* sines, int64_t pairs, float* head) {
  apply_rope_halves(cosines, sines, pairs, head);
}

// int8 codes of one row's 32 columns; see reference prepare_int8 for the arithmetic.
HWY_INLINE void quantise32(const float* x, int8_t* codes, float* scale_out, int32_t* sums) {
  using Bytes = hn::Rebind<uint8_t, F32>;
  auto peak = hn::Zero(U32());
  for (int i = 0; i < 32; i += kPartLanes) {
    const auto bits = hn::BitCast(U32(), hn::LoadU(F32(), x + i));
    peak = hn::Max(peak, hn::And(bits, hn::Set(U32(), 0x7FFFFFFFU)));
  }
  const float largest = hn::GetLane(hn::BitCast(F32(), hn::MaxOfLanes(U32(), peak)));
  *scale_out = largest / 127.0F;
  const float inverse = largest == 0 ? 0.0F : 127.0F / largest;
  const auto by = hn::Set(F32(), inverse);
  const auto magic = hn::Set(F32(), kRoundMagic);
  for (int half = 0; half < 2; ++half) {
    auto total = hn::Zero(I32());
    for (int i = half * 16; i < half * 16 + 16; i += kPartLanes) {
      const auto moved = hn::Add(hn::Mul(hn::LoadU(F32(), x + i), by), magic);
      const auto bits = hn::BitCast(U32(), moved);
      total = hn::Add(total, hn::ShiftRight<24>(hn::BitCast(I32(), hn::ShiftLeft<24>(bits))));
      hn::StoreU(hn::TruncateTo(Bytes(), hn::And(bits, hn::Set(U32(), 0xFFU))), Bytes(),
                 reinterpret_cast<uint8_t*>(codes) + i);
    }
    sums[half] = hn::GetLane(hn::SumOfLanes(I32(), total));
  }
}

void prepare_group(const Operand& to, int64_t group) {
  if (to.kind != OperandKind::kInt8) return;
  const int64_t row_count = to.rows_in_group(group);
  for (int64_t r = 0; r < row_count; ++r) {
    const float* x = to.x + (group * kOperandRows + r) * to.stride;
    for (int64_t c = 0; c < to.column_groups(); ++c) {
      const int64_t i = to.first_index(group) + c * row_count + r;
      quantise32(x + c * 32, to.codes + 32 * i, to.scales + i, to.sums + 2 * i);
      to.offsets[i] = -128 * (to.sums[2 * i] + to.sums[2 * i + 1]);
    }
  }
}

void fill(Kernels& table) {
  table.prepare_group = prepare_group;
  table.rms_norm = rms_norm;
  table.layer_norm = layer_norm;
  table.add = add;
  table.scale = scale;
  table.silu_times = silu_times;
  table.gelu_times = gelu_times;
  table.gelu = gelu;
  table.soft_cap = soft_cap;
  table.rope_adjacent = rope_adjacent;
  table.rope_halves = rope_halves;
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cairn {

void fill_vector_kernels(Isa isa, Kernels& table) {
#if defined(__x86_64__)
  return isa == Isa::kAvx2 ? N_AVX2::fill(table) : N_AVX3::fill(table);
#else
  (void)isa;
  return N_NEON::fill(table);
#endif
}

}  // namespace cairn
#endif
