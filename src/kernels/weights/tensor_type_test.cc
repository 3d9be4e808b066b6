#include "kernels/weights/tensor_type.h"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <iterator>

namespace cairn {
namespace {

TEST(TensorType, IsFoundByNameInAnyCaseAndByNumber) {
  for (const TensorTypeInfo& info : kTensorTypes) {
    std::string upper(info.name);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(tensor_type_from_name(info.name), info.type);
    EXPECT_EQ(tensor_type_from_name(upper), info.type);
    EXPECT_EQ(tensor_type_from_gguf(static_cast<uint32_t>(info.type)), info.type);
    EXPECT_EQ(tensor_type_info(info.type).name, info.name);
  }
  EXPECT_EQ(tensor_type_from_name("q9_0"), std::nullopt);
  EXPECT_EQ(tensor_type_from_gguf(4), std::nullopt);  // a type that GGUF has given up
}

// A block holds its codes, and scales beside them; so a line whose bits or block are mistyped is found.
TEST(TensorType, BlocksHoldTheirCodes) {
  for (const TensorTypeInfo& info : kTensorTypes) {
    if (!is_quantised(info.type)) continue;
    // The grids of iq3 store a sign, and the other three bits of four codes as nine (eight) bits.
    const double bits = info.type == TensorType::kIQ3_S     ? 1 + 9.0 / 4
                        : info.type == TensorType::kIQ3_XXS ? 7.0 / 8 + 8.0 / 4
                                                            : info.code.bits;
    const auto code_bytes = static_cast<int64_t>(static_cast<double>(info.elements) * bits / 8);
    EXPECT_GT(info.bytes, code_bytes) << info.name;
    EXPECT_LE(info.bytes, code_bytes + info.elements / 12 + 4) << info.name;
    EXPECT_EQ(info.code.is_super, info.elements == 256) << info.name;
    // Whole bytes are multiplied as signed numbers; smaller levels must not overflow pairs of products in 16 bits.
    if (info.code.book == nullptr || info.code.zero == 128) continue;
    for (const uint8_t level : *info.code.book) EXPECT_LE(level, 129) << info.name;
  }
}

TEST(TensorType, AreListedInTheReadme) {
  std::ifstream file(CAIRN_SOURCE_DIR "/README.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(page.find("- **Weights**: " + tensor_type_names() + "."), std::string::npos)
      << tensor_type_names();
}

}  // namespace
}  // namespace cairn
