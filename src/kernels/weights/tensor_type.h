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
  kIQ3_XXS = 18,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

// The levels of sixteen codes. A level is a code where codes are evenly spaced; else the type has a book.
using CodeBook = std::array<uint8_t, 16>;

enum class ScaleKind : uint8_t {
  kF16,
  kExponent,  // a byte e: 2^(e - 128)
};

// How a quantised type's codes are stored (packed_matrix.h); `bits` == 0 for float types.
struct CodeFormat {
  int bits = 0;
  int zero = 0;    // the level of the value 0
  int group = 32;  // columns that share a weight scale: 32 or 16
  bool has_min = false;
  bool is_super = false;           // units of 256 columns with integer sub-scales: k-quants and their like
  const CodeBook* book = nullptr;  // absent: a code is its own level
  ScaleKind scale = ScaleKind::kF16;
  float sub_scale_unit = 1.0F;  // what a sub-scale counts in: a power of two, so that products stay exact
};

// Nonlinear 4-bit codes, denser near zero; levels are values + 128.
inline constexpr CodeBook kIq4Book = {1,   24,  45,  63,  79,  93,  106, 118,
                                      129, 141, 153, 166, 181, 197, 217, 241};
// A sign (8) and a magnitude from 0 to 7: odd values up to 15, levels are values + 15; and values 4, 12, 20, 28, 36,
// 44, 52 and 62, levels are values + 62.
inline constexpr CodeBook kIq3SBook = {16, 18, 20, 22, 24, 26, 28, 30, 14, 12, 10, 8, 6, 4, 2, 0};
inline constexpr CodeBook kIq3XxsBook = {66, 74, 82, 90, 98, 106, 114, 124, 58, 50, 42, 34, 26, 18, 10, 0};
// Floats of a sign, two exponent bits and one of mantissa, doubled: 0, 1, 2, 3, 4, 6, 8, 12; levels are values + 12.
inline constexpr CodeBook kFp4Book = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

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
inline constexpr std::array<TensorTypeInfo, 18> kTensorTypes = [] {
  using enum TensorType;
  return std::array<TensorTypeInfo, 18>{{
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
      {kIQ4_NL,  "iq4_nl",  32,  18,  25, {.bits = 4, .zero = 128, .book = &kIq4Book}},
      {kIQ4_XS,  "iq4_xs",  256, 136, 30, {.bits = 4, .zero = 128, .is_super = true, .book = &kIq4Book}},
      {kIQ3_S,   "iq3_s",   256, 110, 26, {.bits = 4, .zero = 15, .is_super = true, .book = &kIq3SBook}},
      {kIQ3_XXS, "iq3_xxs", 256, 98,  23, {.bits = 4, .zero = 62, .is_super = true, .book = &kIq3XxsBook,
                                           .sub_scale_unit = 0.25F}},
      {kMXFP4,   "mxfp4",   32,  17,  38, {.bits = 4, .zero = 12, .book = &kFp4Book, .scale = ScaleKind::kExponent}},
      // clang-format on
  }};
}();

inline constexpr auto kAllTensorTypes = [] {
  std::array<TensorType, kTensorTypes.size()> types{};
  for (size_t i = 0; i < types.size(); ++i) types[i] = kTensorTypes[i].type;
  return types;
}();

// Where a type stands in kTensorTypes. A product asks for its type's layout many times: no search each time.
inline constexpr auto kTensorTypePlace = [] {
  std::array<uint8_t, static_cast<size_t>(TensorType::kMXFP4) + 1> places{};
  places.fill(kTensorTypes.size());
  for (size_t i = 0; i < kTensorTypes.size(); ++i) {
    places[static_cast<size_t>(kTensorTypes[i].type)] = static_cast<uint8_t>(i);
  }
  return places;
}();

[[nodiscard]] constexpr const TensorTypeInfo& tensor_type_info(TensorType type) {
  const auto number = static_cast<size_t>(type);
  // A type outside the enumeration is our own bug.
  CHECK(number < kTensorTypePlace.size() && kTensorTypePlace[number] < kTensorTypes.size());
  return kTensorTypes[kTensorTypePlace[number]];
}
[[nodiscard]] constexpr const CodeFormat& code_format(TensorType type) { return tensor_type_info(type).code; }
[[nodiscard]] constexpr int level_of(const CodeFormat& format, uint8_t code) {
  return format.book == nullptr ? code : (*format.book)[code];
}
[[nodiscard]] constexpr bool is_quantised(TensorType type) { return code_format(type).bits != 0; }

[[nodiscard]] std::string tensor_type_names();  // "f32, f16, ...": for help and messages
[[nodiscard]] std::optional<TensorType> tensor_type_from_name(std::string_view name);  // any case
// The type with this number in a GGUF file, if Cairn reads it.
[[nodiscard]] std::optional<TensorType> tensor_type_from_gguf(uint32_t number);

// `wanted` if rows of `columns` elements are whole blocks of it; else q8_0 (for types with blocks of 256), else f16: what
// quantised files use for such matrices.
[[nodiscard]] TensorType fitting_type(TensorType wanted, int64_t columns);

// Bytes of one row of `columns` elements; columns must be a multiple of the type's block.
[[nodiscard]] int64_t row_bytes(TensorType type, int64_t columns);

}  // namespace cairn
