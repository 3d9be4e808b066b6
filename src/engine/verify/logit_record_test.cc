#include "engine/verify/logit_record.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cairn {
namespace {

LogitRecord record_of(const std::vector<std::vector<float>>& rows) {
  LogitRecord record(static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size()));
  for (size_t i = 0; i < rows.size(); ++i) record.put(static_cast<int64_t>(i), rows[i]);
  return record;
}

TEST(Comparison, FindsTheFirstLogitOfTheFirstPosition) {
  const std::vector<LogitRecord> expected{record_of({{1, 2, 3}, {4, 5, 6}}), record_of({{7, 8, 9}})};
  Comparison comparison(expected);
  comparison.see(1, 0, std::vector<float>{7, 8, 0});
  comparison.see(0, 1, std::vector<float>{4, 0, 0});
  ASSERT_TRUE(comparison.difference().has_value());
  EXPECT_EQ(comparison.difference()->text, 0);
  EXPECT_EQ(comparison.difference()->position, 1);
  EXPECT_EQ(comparison.difference()->token, 1);
  EXPECT_EQ(comparison.difference()->expected, 5);
  EXPECT_EQ(comparison.difference()->found, 0);
  comparison.see(0, 0, std::vector<float>{1, 2, 3.5F});
  EXPECT_EQ(comparison.difference()->position, 0);
  EXPECT_EQ(comparison.position_count(), 3);
  EXPECT_EQ(comparison.logit_count(), 9U);
}

TEST(Comparison, IsByBits) {
  const std::vector<LogitRecord> expected{record_of({{0.0F, NAN}})};
  Comparison same(expected);
  same.see(0, 0, std::vector<float>{0.0F, NAN});
  EXPECT_FALSE(same.difference().has_value());
  Comparison zero(expected);
  zero.see(0, 0, std::vector<float>{-0.0F, NAN});
  EXPECT_TRUE(zero.difference().has_value());
}

TEST(Comparison, TellsWhatWasNeverSeen) {
  const std::vector<LogitRecord> expected{record_of({{1, 2}, {3, 4}})};
  Comparison comparison(expected);
  comparison.require(0, 0);
  comparison.require(0, 1);
  comparison.see(0, 0, std::vector<float>{1, 2});
  comparison.see(0, 0, std::vector<float>{1, 2});  // counted once
  EXPECT_EQ(comparison.position_count(), 1);
  EXPECT_EQ(comparison.what_is_missing(), "position 1 of text 0 was never computed");
  comparison.see(0, 1, std::vector<float>{3, 4});
  EXPECT_EQ(comparison.what_is_missing(), "");
}

TEST(DegenerateLogits, AreNamed) {
  EXPECT_EQ(what_is_degenerate(record_of({{1, 2}, {3, 4}})), "");
  EXPECT_EQ(what_is_degenerate(record_of({{1, 2}, {3, INFINITY}})),
            "position 1, token 1: the logit is inf, which is no finite number");
  EXPECT_EQ(what_is_degenerate(record_of({{1, 2}, {3, 3}})), "position 1: all logits are 3");
  EXPECT_EQ(what_is_degenerate(record_of({{1, 2}, {1, 2}})), "all positions have the same logits");
  EXPECT_EQ(what_is_degenerate(LogitRecord(2, 3)), "some positions were never computed");
}

}  // namespace
}  // namespace cairn
