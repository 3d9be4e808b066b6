#include "files/foreign_tensor.h"

#include <string_view>

#include "base/printable.h"

namespace cairn {
namespace {

struct Row {
  uint32_t number;
  std::string_view name;
  int64_t elements, bytes;
  std::string_view instead;
};
constexpr std::string_view kFewBits = "a Q2_K or IQ3_XXS file";
constexpr std::string_view kTernary = "a Q4_K_M or Q8_0 file";
constexpr std::string_view kNotWeights = "an F16 or Q8_0 file";
constexpr std::string_view kSameAsQ4_0 = "the Q4_0 file (the same weights in another order)";
constexpr std::string_view kSameAsIq4Nl = "the IQ4_NL file (the same weights in another order)";
constexpr Row kForeignTypes[] = {{9, "q8_1", 32, 36, kNotWeights},
                                 {15, "q8_k", 256, 292, kNotWeights},
                                 {16, "iq2_xxs", 256, 66, kFewBits},
                                 {17, "iq2_xs", 256, 74, kFewBits},
                                 {19, "iq1_s", 256, 50, kFewBits},
                                 {22, "iq2_s", 256, 82, kFewBits},
                                 {24, "i8", 1, 1, kNotWeights},
                                 {25, "i16", 1, 2, kNotWeights},
                                 {26, "i32", 1, 4, kNotWeights},
                                 {27, "i64", 1, 8, kNotWeights},
                                 {28, "f64", 1, 8, kNotWeights},
                                 {29, "iq1_m", 256, 56, kFewBits},
                                 {31, "q4_0_4_4", 32, 18, kSameAsQ4_0},
                                 {32, "q4_0_4_8", 32, 18, kSameAsQ4_0},
                                 {33, "q4_0_8_8", 32, 18, kSameAsQ4_0},
                                 {34, "tq1_0", 256, 54, kTernary},
                                 {35, "tq2_0", 256, 66, kTernary},
                                 {36, "iq4_nl_4_4", 32, 18, kSameAsIq4Nl},
                                 {37, "iq4_nl_4_8", 32, 18, kSameAsIq4Nl},
                                 {38, "iq4_nl_8_8", 32, 18, kSameAsIq4Nl},
                                 {40, "nvfp4", 64, 36, "an MXFP4 or Q4_K_M file"}};

}  // namespace

ForeignType foreign_type_from_gguf(uint32_t number) {
  for (const Row& row : kForeignTypes) {
    if (row.number == number)
      return {std::string(row.name), row.elements, row.bytes, std::string(row.instead)};
  }
  return {.name = "number " + std::to_string(number), .instead = "a Q4_K_M or Q8_0 file"};
}

Status refuse_foreign_tensors(std::span<const ForeignTensor> tensors) {
  if (tensors.empty()) return {};
  const ForeignTensor& first = tensors.front();
  const std::string others =
      tensors.size() == 1 ? "" : " (the first of " + std::to_string(tensors.size()) + " such tensors)";
  return unsupported("tensor '" + printable(first.name) + "'" + others + " has the type " +
                     printable(first.type_name) + ", which Cairn does not run: download " + first.instead +
                     " of the model instead");
}

}  // namespace cairn
