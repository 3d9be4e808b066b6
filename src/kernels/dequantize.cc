#include "kernels/dequantize.h"

#include <cstring>

#include "base/check.h"
#include "kernels/float16.h"
#include "kernels/k_quants.h"
#include "kernels/small_quants.h"

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

// Applies `convert(block of bytes, block of floats)` along a row.
template <typename Convert>
void for_each_block(TensorType type, const std::byte* row, std::span<float> values, Convert convert) {
  const TensorTypeInfo& info = tensor_type_info(type);
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(info.elements)) {
    convert(row, values.data() + at);
    row += info.bytes;
  }
}

template <typename Convert>
void for_each_block(TensorType type, std::span<const float> values, std::byte* row, Convert convert) {
  const TensorTypeInfo& info = tensor_type_info(type);
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(info.elements)) {
    convert(values.data() + at, row);
    row += info.bytes;
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
    case TensorType::kQ8_0: return for_each_block(type, row, values, decode_q8_0);
    case TensorType::kQ4_0: return for_each_block(type, row, values, decode_q4_0);
    case TensorType::kQ4_1: return for_each_block(type, row, values, decode_q4_1);
    case TensorType::kQ5_0: return for_each_block(type, row, values, decode_q5_0);
    case TensorType::kQ5_1: return for_each_block(type, row, values, decode_q5_1);
    case TensorType::kQ2_K: return for_each_block(type, row, values, decode_q2_k);
    case TensorType::kQ3_K: return for_each_block(type, row, values, decode_q3_k);
    case TensorType::kQ4_K: return for_each_block(type, row, values, decode_q4_k);
    case TensorType::kQ5_K: return for_each_block(type, row, values, decode_q5_k);
    case TensorType::kQ6_K: return for_each_block(type, row, values, decode_q6_k);
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
    case TensorType::kQ8_0: return for_each_block(type, values, row, encode_q8_0);
    case TensorType::kQ4_0: return for_each_block(type, values, row, encode_q4_0);
    case TensorType::kQ4_1: return for_each_block(type, values, row, encode_q4_1);
    case TensorType::kQ5_0: return for_each_block(type, values, row, encode_q5_0);
    case TensorType::kQ5_1: return for_each_block(type, values, row, encode_q5_1);
    case TensorType::kQ2_K: return for_each_block(type, values, row, encode_q2_k);
    case TensorType::kQ3_K: return for_each_block(type, values, row, encode_q3_k);
    case TensorType::kQ4_K: return for_each_block(type, values, row, encode_q4_k);
    case TensorType::kQ5_K: return for_each_block(type, values, row, encode_q5_k);
    case TensorType::kQ6_K: return for_each_block(type, values, row, encode_q6_k);
  }
}

}  // namespace cairn
