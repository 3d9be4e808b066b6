#include "kernels/weights/tensor_type.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"

namespace cairn {

const TensorTypeInfo& tensor_type_info(TensorType type) {
  static constexpr TensorTypeInfo kF32{"f32", 1, 4}, kF16{"f16", 1, 2}, kBF16{"bf16", 1, 2};
  static constexpr TensorTypeInfo kQ8_0{"q8_0", 32, 34}, kQ4_0{"q4_0", 32, 18}, kQ4_1{"q4_1", 32, 20};
  static constexpr TensorTypeInfo kQ5_0{"q5_0", 32, 22}, kQ5_1{"q5_1", 32, 24};
  static constexpr TensorTypeInfo kQ2_K{"q2_k", 256, 84}, kQ3_K{"q3_k", 256, 110};
  static constexpr TensorTypeInfo kQ4_K{"q4_k", 256, 144}, kQ5_K{"q5_k", 256, 176}, kQ6_K{"q6_k", 256, 210};
  switch (type) {
    case TensorType::kF32: return kF32;
    case TensorType::kF16: return kF16;
    case TensorType::kBF16: return kBF16;
    case TensorType::kQ8_0: return kQ8_0;
    case TensorType::kQ4_0: return kQ4_0;
    case TensorType::kQ4_1: return kQ4_1;
    case TensorType::kQ5_0: return kQ5_0;
    case TensorType::kQ5_1: return kQ5_1;
    case TensorType::kQ2_K: return kQ2_K;
    case TensorType::kQ3_K: return kQ3_K;
    case TensorType::kQ4_K: return kQ4_K;
    case TensorType::kQ5_K: return kQ5_K;
    case TensorType::kQ6_K: return kQ6_K;
  }
  CHECK(false && "a TensorType outside the enumeration");
  return kF32;
}

std::optional<TensorType> tensor_type_from_name(std::string_view name) {
  const auto same_letter = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  for (TensorType type : kAllTensorTypes) {
    if (std::ranges::equal(tensor_type_info(type).name, name, same_letter)) return type;
  }
  return std::nullopt;
}

std::optional<TensorType> tensor_type_from_gguf(uint32_t number) {
  for (TensorType type : kAllTensorTypes) {
    if (static_cast<uint32_t>(type) == number) return type;
  }
  return std::nullopt;
}

TensorType fitting_type(TensorType wanted, int64_t columns) {
  const auto fits = [&](TensorType type) { return columns % tensor_type_info(type).elements == 0; };
  if (fits(wanted)) return wanted;
  const bool is_k_quant = tensor_type_info(wanted).elements == 256;
  return is_k_quant && fits(TensorType::kQ8_0) ? TensorType::kQ8_0 : TensorType::kF16;
}

int64_t row_bytes(TensorType type, int64_t columns) {
  const TensorTypeInfo& info = tensor_type_info(type);
  DCHECK(columns % info.elements == 0);
  return columns / info.elements * info.bytes;
}

}  // namespace cairn
