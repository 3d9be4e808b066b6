#include "kernels/matmul/cut_product_testing.h"

#include <bit>
#include <cmath>

#include "kernels/float16.h"
#include "kernels/matmul/expand_codes.h"
#include "kernels/matmul/operand.h"
#include "kernels/weights/code_types.h"

namespace cairn {
namespace {

// Column of a group of 32 that is taken as number `n`.
int column_at(int n) { return n / 8 * 4 + n % 4 + (n % 8 < 4 ? 0 : 16); }

// Of the power of two into whose mantissa a level is put.
int exponent_at(TensorType type, int n) {
  constexpr int kByPlace[8] = {15, 15, 7, 11, 11, 11, 15, 7};
  const bool in_words = type == TensorType::kQ4_0 || type == TensorType::kQ4_1 || type == TensorType::kQ4_K;
  return in_words ? kByPlace[n % 8] : 8;
}

float cut(float x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0xFFFF0000U); }

template <TensorType kType>
float weight_at(const ExpandedUnit& unit, int64_t group, int n, int64_t lane) {
  constexpr CodeFormat kFormat = code_format(kType);
  const int column = column_at(n);
  const int64_t shared = group * (32 / kFormat.group) + column / kFormat.group;
  const auto power = static_cast<float>(1 << exponent_at(kType, n));
  const float scale = unit.scales[shared][lane];
  const float minimum = kFormat.has_min ? unit.minima[shared][lane] : 0.0F;
  const int64_t place = column / 4 * 64 + lane * 4 + column % 4;
  const auto level = static_cast<float>(unit.levels[group][place]);
  const float offset = std::fma(-(power + static_cast<float>(kFormat.zero)), scale, minimum);
  return cut(std::fma(power + level, scale, offset));
}

template <TensorType kType>
void add_unit(const std::byte* data, const float* x, int64_t lane, float& sum) {
  ExpandedUnit unit;
  expand_unit<kType>(data, unit);
  for (int64_t group = 0; group < unit_columns(code_format(kType)) / 32; ++group, x += 32) {
    const float gain = kType == TensorType::kMXFP4 ? 1.0F : kCutGain;
    float chain[2] = {0, 0};
    for (int n = 0; n < 32; ++n) {
      const float a = bf16_to_float(float_to_bf16(x[column_at(n)] * gain));
      chain[n % 2] = std::fma(weight_at<kType>(unit, group, n, lane), a, chain[n % 2]);
    }
    sum += chain[0] + chain[1];
  }
}

}  // namespace

std::vector<float> cut_product(const PackedMatrix& w, const float* x, int64_t rows) {
  std::vector<float> out(static_cast<size_t>(rows * w.rows), 0.0F);
  visit_code_type(w.type, [&](auto type) {
    constexpr TensorType kType = decltype(type)::value;
    constexpr int64_t kColumns = unit_columns(code_format(kType));
    for (int64_t i = 0; i < rows * w.rows; ++i) {
      const int64_t output = i % w.rows;
      const std::byte* const panel = w.data + output / kPanelRows * panel_bytes(kType, w.columns);
      for (int64_t u = 0; u < w.columns / kColumns; ++u) {
        add_unit<kType>(panel + u * unit_bytes(kType), x + i / w.rows * w.columns + u * kColumns,
                        output % kPanelRows, out[static_cast<size_t>(i)]);
      }
    }
  });
  return out;
}

}  // namespace cairn
