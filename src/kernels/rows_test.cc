#include "kernels/rows.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace cairn {
namespace {

class RowsOf24 : public testing::Test {
 protected:
  RowsOf24() { std::iota(floats_.begin(), floats_.end(), 0.0F); }
  std::vector<float> floats_ = std::vector<float>(24);
  Rows rows_{floats_.data(), 6, 4};
};

TEST_F(RowsOf24, LieOneAfterTheOther) {
  EXPECT_EQ(rows_.row(0)[0], 0);
  EXPECT_EQ(rows_.row(3)[5], 23);
  EXPECT_EQ(rows_.floats(), 24);
}

TEST_F(RowsOf24, AreSlicedAndSplit) {
  const Rows middle = rows_.slice(1, 2);
  EXPECT_EQ(middle.count, 2);
  EXPECT_EQ(middle.row(1)[0], 12);
  const Rows heads = rows_.split(2, 2);
  EXPECT_EQ(heads.count, 3);
  EXPECT_EQ(heads.row(2)[1], 17);
}

#ifndef NDEBUG
TEST_F(RowsOf24, CheckTheirBounds) {
  EXPECT_DEATH((void)rows_.row(4), "i < count");
  EXPECT_DEATH((void)rows_.row(-1), "i >= 0");
  EXPECT_DEATH((void)rows_.slice(3, 2), "first");
  EXPECT_DEATH((void)rows_.split(0, 4), "part_width");
}
#endif

}  // namespace
}  // namespace cairn
