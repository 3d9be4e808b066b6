#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/constants.h"
#include "kernels/matmul/expand_codes.h"
#include "kernels/reference.h"
#include "kernels/weights/code_types.h"

namespace cairn::reference {
namespace {

float weight_at(const PackedMatrix& w, int64_t panel, int64_t lane, int64_t k) {
  const std::byte* data = w.data + panel * panel_bytes(w.type, w.columns);
  if (w.type == TensorType::kF32) {
    float value;
    std::memcpy(&value, data + (k * 16 + lane) * 4, 4);
    return value;
  }
  const bool pairs = w.type == TensorType::kBF16;
  const int64_t index = pairs ? (k / 2 * 16 + lane) * 2 + k % 2 : k * 16 + lane;
  uint16_t bits;
  std::memcpy(&bits, data + index * 2, 2);
  return pairs ? bf16_to_float(bits) : f16_to_float(bits);
}

float float_dot(const PackedMatrix& w, int64_t panel, int64_t lane, const float* x) {
  float sum = 0;
  for (int64_t k = 0; k < w.columns; ++k) sum = std::fma(x[k], weight_at(w, panel, lane, k), sum);
  return sum;
}

struct RowCodes {
  const int8_t* codes;
  float scale;
  const int32_t* sums;
};
RowCodes row_codes(const Operand& x, int64_t row, int64_t column_group) {
  const int64_t group = row / kOperandRows;
  const int64_t i = x.first_index(group) + column_group * x.rows_in_group(group) + row % kOperandRows;
  return {x.codes + 32 * i, x.scales[i], x.sums + 2 * i};
}

// Adds one group of 32 columns of one weight row: integer sums are exact, then scales in one order.
template <TensorType kType>
float add_group(const ExpandedUnit& unit, int64_t g, int64_t lane, const RowCodes& a, float sum) {
  constexpr CodeFormat kFormat = code_format(kType);
  for (int64_t part = 0; part < 32 / kFormat.group; ++part) {
    int32_t products = 0;
    int32_t codes_sum = 0;
    for (int64_t k = part * kFormat.group; k < (part + 1) * kFormat.group; ++k) {
      const int32_t level = unit.levels[g][k / 4 * 64 + lane * 4 + k % 4];
      products += (level - kFormat.zero) * a.codes[k];
      codes_sum += a.codes[k];
    }
    const int64_t scale_index = g * (32 / kFormat.group) + part;
    sum = std::fma(static_cast<float>(products) * unit.scales[scale_index][lane], a.scale, sum);
    if (kFormat.has_min) {
      sum = std::fma(unit.minima[scale_index][lane], a.scale * static_cast<float>(codes_sum), sum);
    }
  }
  return sum;
}

template <TensorType kType>
void code_panel(const PackedMatrix& w, const Operand& x, int64_t panel, int64_t first_row, int64_t last_row,
                float* out, int64_t stride) {
  const std::byte* data = w.data + panel * panel_bytes(kType, w.columns);
  const int64_t unit_groups = unit_columns(code_format(kType)) / 32;
  ExpandedUnit unit;
  for (int64_t group = 0; group < w.columns / 32; ++group) {
    if (group % unit_groups == 0) expand_unit<kType>(data + group / unit_groups * unit_bytes(kType), unit);
    for (int64_t row = first_row; row < last_row; ++row) {
      const RowCodes a = row_codes(x, row, group);
      for (int64_t lane = 0; lane < 16 && panel * 16 + lane < w.rows; ++lane) {
        float& sum = out[row * stride + panel * 16 + lane];
        sum = add_group<kType>(unit, group % unit_groups, lane, a, group == 0 ? 0.0F : sum);
      }
    }
  }
}

void prepare_int8(const Operand& to, int64_t group) {
  const int64_t rows = to.rows_in_group(group);
  for (int64_t c = 0; c < to.column_groups(); ++c) {
    for (int64_t r = 0; r < rows; ++r) {
      const float* x = to.x + (group * kOperandRows + r) * to.stride + c * 32;
      const int64_t i = to.first_index(group) + c * rows + r;
      uint32_t peak_bits = 0;  // by bits, so that a NaN is the largest and stays visible in the scale
      for (int k = 0; k < 32; ++k) {
        const uint32_t magnitude = std::bit_cast<uint32_t>(x[k]) & 0x7FFFFFFFU;
        peak_bits = magnitude > peak_bits ? magnitude : peak_bits;
      }
      const auto peak = std::bit_cast<float>(peak_bits);
      to.scales[i] = peak / 127.0F;
      const float inverse = peak == 0 ? 0.0F : 127.0F / peak;
      to.sums[2 * i] = to.sums[2 * i + 1] = 0;
      for (int k = 0; k < 32; ++k) {
        // x * inverse rounded to nearest even: the low byte of its sum with 1.5 * 2^23.
        const auto code = static_cast<int8_t>(std::bit_cast<uint32_t>(x[k] * inverse + kRoundMagic) & 0xFFU);
        to.codes[32 * i + k] = code;
        to.sums[2 * i + k / 16] += code;
      }
      to.offsets[i] = -128 * (to.sums[2 * i] + to.sums[2 * i + 1]);
    }
  }
}

}  // namespace

OperandKind operand_kind(TensorType type) {
  return is_quantised(type) ? OperandKind::kInt8 : OperandKind::kFloat;
}

void prepare_group(const Operand& to, int64_t group) {
  if (to.kind == OperandKind::kInt8) prepare_int8(to, group);
}

void matmul(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  const int64_t first_row = tile.first_group * kOperandRows;
  const int64_t last_row = std::min(x.row_count, (tile.first_group + tile.group_count) * kOperandRows);
  for (int64_t panel = tile.first_panel; panel < tile.first_panel + tile.panel_count; ++panel) {
    if (is_quantised(w.type)) {
      visit_code_type(w.type, [&](auto type) {
        code_panel<decltype(type)::value>(w, x, panel, first_row, last_row, out, stride);
      });
      continue;
    }
    for (int64_t row = first_row; row < last_row; ++row) {
      for (int64_t lane = 0; lane < 16 && panel * 16 + lane < w.rows; ++lane) {
        out[row * stride + panel * 16 + lane] = float_dot(w, panel, lane, x.x + row * x.stride);
      }
    }
  }
}

}  // namespace cairn::reference
