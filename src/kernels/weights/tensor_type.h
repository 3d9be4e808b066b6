// TensorType: how the numbers of a weight matrix are stored, and the size of a block of each type.
// The numeric values are those of the GGUF format, whose page is the source of the byte layouts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"

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

// How a quantised type's codes are stored (packed_matrix.h); `bits` == 0 for float types.
struct CodeFormat {
  int bits = 0;
  int zero = 0;    // the code of the value 0
  int group = 32;  // columns that share a weight scale: 32 or 16
  bool has_min = false;
  bool is_super = false;  // k-quants: units of 256 columns with integer sub-scales
};

// A type stores its elements in blocks: `elements` consecutive elements of a row in `bytes` bytes.
struct TensorTypeInfo {
  TensorType type;
  std::string_view name;  // lower case, as on the command line: "q8_0"
  int64_t elements;
  int64_t bytes;
  uint32_t gguf_file_type;  // llama.cpp's number for "most tensors are of this type"
  CodeFormat code;
};

// The only list of the types.
inline constexpr std::array<TensorTypeInfo, 13> kTensorTypes = [] {
  using enum TensorType;
  return std::array<TensorTypeInfo, 13>{{
      // clang-format off
      {kF32,  "f32",  1,   4,   0,  {}},
      {kF16,  "f16",  1,   2,   1,  {}},
      {kBF16, "bf16", 1,   2,   32, {}},
      {kQ8_0, "q8_0", 32,  34,  7,  {.bits = 8, .zero = 128}},
      {kQ4_0, "q4_0", 32,  18,  2,  {.bits = 4, .zero = 8}},
      {kQ4_1, "q4_1", 32,  20,  3,  {.bits = 4, .has_min = true}},
      {kQ5_0, "q5_0", 32,  22,  8,  {.bits = 5, .zero = 16}},
      {kQ5_1, "q5_1", 32,  24,  9,  {.bits = 5, .has_min = true}},
      {kQ2_K, "q2_k", 256, 84,  10, {.bits = 2, .group = 16, .has_min = true, .is_super = true}},
      {kQ3_K, "q3_k", 256, 110, 12, {.bits = 3, .zero = 4, .group = 16, .is_super = true}},
      {kQ4_K, "q4_k", 256, 144, 15, {.bits = 4, .has_min = true, .is_super = true}},
      {kQ5_K, "q5_k", 256, 176, 17, {.bits = 5, .has_min = true, .is_super = true}},
      {kQ6_K, "q6_k", 256, 210, 18, {.bits = 6, .zero = 32, .group = 16, .is_super = true}},
      // clang-format on
  }};
}();

inline constexpr auto kAllTensorTypes = [] {
  std::array<TensorType, kTensorTypes.size()> types{};
  for (size_t i = 0; i < types.size(); ++i) types[i] = kTensorTypes[i].type;
  return types;
}();

[[nodiscard]] constexpr const TensorTypeInfo& tensor_type_info(TensorType type) {
  size_t i = 0;
  while (i < kTensorTypes.size() && kTensorTypes[i].type != type) ++i;
  CHECK(i < kTensorTypes.size());  // a type outside the enumeration
  return kTensorTypes[i];
}
[[nodiscard]] constexpr CodeFormat code_format(TensorType type) { return tensor_type_info(type).code; }
[[nodiscard]] constexpr bool is_quantised(TensorType type) { return code_format(type).bits != 0; }

[[nodiscard]] std::string tensor_type_names();  // "f32, f16, ...": for help and messages
[[nodiscard]] std::optional<TensorType> tensor_type_from_name(std::string_view name);  // any case
// The type with this number in a GGUF file, if Cairn reads it.
[[nodiscard]] std::optional<TensorType> tensor_type_from_gguf(uint32_t number);

// `wanted` if rows of `columns` elements are whole blocks of it; else q8_0 (for k-quants), else f16: what
// quantised files use for such matrices.
[[nodiscard]] TensorType fitting_type(TensorType wanted, int64_t columns);

// Bytes of one row of `columns` elements; columns must be a multiple of the type's block.
[[nodiscard]] int64_t row_bytes(TensorType type, int64_t columns);

}  // namespace cairn
