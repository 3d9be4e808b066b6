#include "kernels/weights/dequantize.h"

#include <cstring>

#include "base/check.h"
#include "kernels/float16.h"
#include "kernels/weights/choose_codes.h"
#include "kernels/weights/code_types.h"
#include "kernels/weights/packed_matrix.h"
#include "kernels/weights/weight_codes.h"

namespace cairn {
namespace {

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <typename T>
void store(T value, std::byte* at) {
  std::memcpy(at, &value, sizeof(T));
}

// The values of a block, in ggml's order of operations.
template <TensorType kType>
void values_of(const WeightCodes& from, float* values) {
  constexpr CodeFormat kFormat = code_format(kType);
  const float d = kFormat.scale == ScaleKind::kF16 ? f16_to_float(from.d) : exponent_to_float(from.d);
  for (int g = 0; g < unit_columns(kFormat) / kFormat.group; ++g) {
    float scale = d;
    if constexpr (kFormat.is_super) scale *= static_cast<float>(from.sub_scales[g]) * kFormat.sub_scale_unit;
    float min = 0;
    if constexpr (kFormat.has_min) min = f16_to_float(from.min);
    if constexpr (kFormat.has_min && kFormat.is_super) min *= -static_cast<float>(from.sub_mins[g]);
    for (int i = g * kFormat.group; i < (g + 1) * kFormat.group; ++i) {
      values[i] = scale * static_cast<float>(level_of(kFormat, from.codes[i]) - kFormat.zero);
      if constexpr (kFormat.has_min) values[i] += min;
    }
  }
}

void dequantize_blocks(TensorType type, const std::byte* row, std::span<float> values) {
  const TensorTypeInfo& info = tensor_type_info(type);
  WeightCodes codes;
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(info.elements), row += info.bytes) {
    take_apart(type, row, codes);
    visit_code_type(type, [&](auto known) { values_of<decltype(known)::value>(codes, values.data() + at); });
  }
}

void quantize_blocks(TensorType type, std::span<const float> values, std::byte* row) {
  const TensorTypeInfo& info = tensor_type_info(type);
  WeightCodes codes;
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(info.elements), row += info.bytes) {
    choose_codes(type, values.data() + at, codes);
    put_together(type, codes, row);
  }
}

}  // namespace

void dequantize_row(TensorType type, const std::byte* row, std::span<float> values) {
  CHECK(values.size() % static_cast<size_t>(tensor_type_info(type).elements) == 0);
  switch (type) {
    case TensorType::kF32: std::memcpy(values.data(), row, values.size_bytes()); return;
    case TensorType::kF16:
      for (size_t i = 0; i < values.size(); ++i) values[i] = f16_to_float(load<uint16_t>(row + 2 * i));
      return;
    case TensorType::kBF16:
      for (size_t i = 0; i < values.size(); ++i) values[i] = bf16_to_float(load<uint16_t>(row + 2 * i));
      return;
    default: return dequantize_blocks(type, row, values);
  }
}

void quantize_row(TensorType type, std::span<const float> values, std::byte* row) {
  CHECK(values.size() % static_cast<size_t>(tensor_type_info(type).elements) == 0);
  switch (type) {
    case TensorType::kF32: std::memcpy(row, values.data(), values.size_bytes()); return;
    case TensorType::kF16:
      for (size_t i = 0; i < values.size(); ++i) store(float_to_f16(values[i]), row + 2 * i);
      return;
    case TensorType::kBF16:
      for (size_t i = 0; i < values.size(); ++i) store(float_to_bf16(values[i]), row + 2 * i);
      return;
    default: return quantize_blocks(type, values, row);
  }
}

}  // namespace cairn
