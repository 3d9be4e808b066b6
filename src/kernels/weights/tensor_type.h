// TensorType: how the numbers of a weight matrix are stored, and the size of a block of each type.
// The numeric values are those of the GGUF format, whose page is the source of the byte layouts.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cairn {

enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

inline constexpr TensorType kAllTensorTypes[] = {
    TensorType::kF32,  TensorType::kF16,  TensorType::kBF16, TensorType::kQ8_0, TensorType::kQ4_0,
    TensorType::kQ4_1, TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ2_K, TensorType::kQ3_K,
    TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K};

// A type stores its elements in blocks: `elements` consecutive elements of a row in `bytes` bytes.
struct TensorTypeInfo {
  std::string_view name;  // lower case, as on the command line: "q8_0"
  int64_t elements;
  int64_t bytes;
};

[[nodiscard]] const TensorTypeInfo& tensor_type_info(TensorType type);
[[nodiscard]] std::optional<TensorType> tensor_type_from_name(std::string_view name);  // any case
// The type with this number in a GGUF file, if Cairn reads it.
[[nodiscard]] std::optional<TensorType> tensor_type_from_gguf(uint32_t number);

// `wanted` if rows of `columns` elements are whole blocks of it; else q8_0 (for k-quants), else f16: what
// quantised files use for such matrices.
[[nodiscard]] TensorType fitting_type(TensorType wanted, int64_t columns);

// Bytes of one row of `columns` elements; columns must be a multiple of the type's block.
[[nodiscard]] int64_t row_bytes(TensorType type, int64_t columns);

}  // namespace cairn
