// The product with f32, f16 and bf16 weights, on V16: for each output one chain of fused multiply-adds over
// ascending k, sixteen outputs to a vector.
#include "kernels/hwy_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/float_matmul.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "base/check.h"
#include "kernels/matmul/panel_streams.h"
#include "kernels/simd.h"
#include "kernels/simd16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cairn::HWY_NAMESPACE {

// Each format: the distance of two consecutive k, and the widened vectors of k and k + 1.
struct F32Weights {
  static constexpr int64_t kTwoColumns = 128;
  static HWY_INLINE void load_two(const std::byte* at, V16& even, V16& odd) {
    even = load(reinterpret_cast<const float*>(at));
    odd = load(reinterpret_cast<const float*>(at) + 16);
  }
  static HWY_INLINE V16 load_last(const std::byte* at) { return load(reinterpret_cast<const float*>(at)); }
};
struct F16Weights {
  static constexpr int64_t kTwoColumns = 64;
  static HWY_INLINE void load_two(const std::byte* at, V16& even, V16& odd) {
    even = load_f16(reinterpret_cast<const uint16_t*>(at));
    odd = load_f16(reinterpret_cast<const uint16_t*>(at) + 16);
  }
  static HWY_INLINE V16 load_last(const std::byte* at) {
    return load_f16(reinterpret_cast<const uint16_t*>(at));
  }
};
struct Bf16Weights {
  static constexpr int64_t kTwoColumns = 64;
  static HWY_INLINE void load_two(const std::byte* at, V16& even, V16& odd) {
    load_bf16_pairs(reinterpret_cast<const uint16_t*>(at), even, odd);
  }
  static HWY_INLINE V16 load_last(const std::byte* at) {
    V16 even, odd;
    load_two(at, even, odd);
    return even;
  }
};

HWY_INLINE void store_some(const V16& sum, int64_t count, float* out) {
  if (count >= 16) return store(sum, out);
  alignas(64) float lane[16];
  store(sum, lane);
  for (int64_t i = 0; i < count; ++i) out[i] = lane[i];
}

// One row waits for memory alone.
constexpr int64_t kBytesAhead = 1024;

// kRows rows times kPanels panels, all of k.
template <class Weights, int kRows, int kPanels>
HWY_NOINLINE void block(const PackedMatrix& w, const Operand& x, int64_t row, int64_t panel, float* out,
                        int64_t stride) {
  const int64_t bytes = panel_bytes(w.type, w.columns);
  const std::byte* data = w.data + panel * bytes;
  const float* a = x.x + row * x.stride;
  V16 sum[kRows][kPanels];
  _Pragma("GCC unroll 16") for (int r = 0; r < kRows; ++r) {
    _Pragma("GCC unroll 16") for (int p = 0; p < kPanels; ++p) sum[r][p] = broadcast(0.0F);
  }
  int64_t k = 0;
  for (; k + 2 <= w.columns; k += 2, data += Weights::kTwoColumns) {
    _Pragma("GCC unroll 16") for (int p = 0; p < kPanels; ++p) {
      if constexpr (kRows == 1) {
        const int64_t at = k / 2 * Weights::kTwoColumns;
        const std::byte* const ahead = data - at + p * bytes + place_ahead(at, kBytesAhead, bytes, kPanels);
        for (int64_t b = 0; b < Weights::kTwoColumns; b += 64) __builtin_prefetch(ahead + b);
      }
      V16 even, odd;
      Weights::load_two(data + p * bytes, even, odd);
      _Pragma("GCC unroll 16") for (int r = 0; r < kRows; ++r) {
        sum[r][p] = fma(broadcast(a[r * x.stride + k]), even, sum[r][p]);
      }
      _Pragma("GCC unroll 16") for (int r = 0; r < kRows; ++r) {
        sum[r][p] = fma(broadcast(a[r * x.stride + k + 1]), odd, sum[r][p]);
      }
    }
  }
  if (k < w.columns) {
    for (int p = 0; p < kPanels; ++p) {
      const V16 last = Weights::load_last(data + p * bytes);
      for (int r = 0; r < kRows; ++r) sum[r][p] = fma(broadcast(a[r * x.stride + k]), last, sum[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      const int64_t column = (panel + p) * 16;
      store_some(sum[r][p], w.rows - column, out + (row + r) * stride + column);
    }
  }
}

template <class Weights, int kRows, int kPanels>
void panels(const PackedMatrix& w, const Operand& x, int64_t row, const MatmulTile& tile, float* out,
            int64_t stride) {
  visit_panels<kPanels>(
      tile, [&](int64_t panel) { block<Weights, kRows, kPanels>(w, x, row, panel, out, stride); },
      [&](int64_t panel) { block<Weights, kRows, 1>(w, x, row, panel, out, stride); });
}

// Tile shapes by registers: accumulators fill most of 32 zmm (16 ymm, where a V16 is two), with two weights
// and a broadcast beside them; one row alone reads eight (four) panels, the number of streams that suits
// memory.
constexpr bool kWide = kParts == 1;

template <class Weights>
void rows(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  const int64_t first = tile.first_group * kOperandRows;
  const int64_t last = HWY_MIN(x.row_count, (tile.first_group + tile.group_count) * kOperandRows);
  int64_t row = first;
  if (kWide) {
    for (; row + 8 <= last; row += 8) panels<Weights, 8, kWide ? 2 : 1>(w, x, row, tile, out, stride);
  }
  for (; row + 4 <= last; row += 4) panels<Weights, 4, kWide ? 4 : 1>(w, x, row, tile, out, stride);
  for (; row + 2 <= last; row += 2) panels<Weights, 2, kWide ? 4 : 2>(w, x, row, tile, out, stride);
  for (; row < last; ++row) panels<Weights, 1, kWide ? 8 : 4>(w, x, row, tile, out, stride);
}

void float_matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                  int64_t stride) {
  switch (w.type) {
    case TensorType::kF32: return rows<F32Weights>(w, x, tile, out, stride);
    case TensorType::kF16: return rows<F16Weights>(w, x, tile, out, stride);
    case TensorType::kBF16: return rows<Bf16Weights>(w, x, tile, out, stride);
    default: CHECK(false && "not a float type");
  }
}

}  // namespace cairn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cairn {

FloatMatmul float_matmul(Isa isa) {
#if defined(__x86_64__)
  return isa == Isa::kAvx2 ? N_AVX2::float_matmul : N_AVX3::float_matmul;
#else
  (void)isa;
  return N_NEON::float_matmul;
#endif
}

}  // namespace cairn
#endif
