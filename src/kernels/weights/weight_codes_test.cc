#include "kernels/weights/weight_codes.h"

#include <gtest/gtest.h>

#include "kernels/weights/dequantize_testing.h"
#include "kernels/weights/packed_matrix.h"

namespace cairn {
namespace {

// Every bit of a block belongs to a code or a scale (no two quads of a grid are equal), so unpacking and packing gives the
// same block.
// That the codes are right is tested against ggml's own values (kernels/weights/dequantize_test.cc).
TEST(WeightCodes, PutTogetherIsTheSameBlock) {
  for (TensorType type : kAllTensorTypes) {
    if (!is_quantised(type)) continue;
    const auto bytes = static_cast<size_t>(tensor_type_info(type).bytes);
    const std::vector<std::byte> blocks = random_blocks(type, 64, 3);
    std::vector<std::byte> back(blocks.size());
    for (size_t at = 0; at < blocks.size(); at += bytes) {
      WeightCodes codes;
      take_apart(type, blocks.data() + at, codes);
      put_together(type, codes, back.data() + at);
    }
    EXPECT_EQ(back, blocks) << tensor_type_info(type).name;
  }
}

}  // namespace
}  // namespace cairn
