#include "kernels/weights/tensor_type.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"

namespace cairn {

std::string tensor_type_names() {
  std::string names;
  for (const TensorTypeInfo& info : kTensorTypes) names.append(names.empty() ? "" : ", ").append(info.name);
  return names;
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
  const bool is_super = tensor_type_info(wanted).elements == 256;
  return is_super && fits(TensorType::kQ8_0) ? TensorType::kQ8_0 : TensorType::kF16;
}

int64_t row_bytes(TensorType type, int64_t columns) {
  const TensorTypeInfo& info = tensor_type_info(type);
  DCHECK(columns % info.elements == 0);
  return columns / info.elements * info.bytes;
}

}  // namespace cairn
