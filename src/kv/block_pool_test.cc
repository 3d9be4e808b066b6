#include "kv/block_pool.h"

#include <gtest/gtest.h>

#include <array>

namespace cairn {
namespace {

TEST(BlockPool, TakesAllOrNothing) {
  BlockPool pool = *BlockPool::make(128, 4);
  std::array<KvBlockTable, 2> tables;
  ASSERT_EQ(pool.grow(tables[0], 3), Room::kOk);
  EXPECT_EQ(pool.grow(tables[1], 2), Room::kNoRoom);
  EXPECT_TRUE(tables[1].empty());
  EXPECT_EQ(pool.free_count(), 1);
  EXPECT_EQ(pool.grow(tables[1], 1), Room::kOk);
  EXPECT_TRUE(pool.check(tables).ok());
  pool.shrink(tables[0], 1);
  EXPECT_EQ(pool.free_count(), 2);
  EXPECT_TRUE(pool.check(tables).ok());
}

TEST(BlockPool, ReusesTheLastBlockFirst) {
  BlockPool pool = *BlockPool::make(64, 8);
  KvBlockTable table;
  ASSERT_EQ(pool.grow(table, 2), Room::kOk);
  std::byte* last = table.back();
  pool.shrink(table, 1);
  ASSERT_EQ(pool.grow(table, 2), Room::kOk);
  EXPECT_EQ(table.back(), last);
}

TEST(BlockPool, CheckFindsEachKindOfDisorder) {
  BlockPool pool = *BlockPool::make(64, 3);
  std::array<KvBlockTable, 2> tables;
  ASSERT_EQ(pool.grow(tables[0], 2), Room::kOk);
  ASSERT_TRUE(pool.check(tables).ok());

  auto twice = tables;
  twice[1].push_back(twice[0][0]);
  EXPECT_EQ(pool.check(twice).code(), StatusCode::kInternal);

  auto lost = tables;
  lost[0].pop_back();
  EXPECT_EQ(pool.check(lost).code(), StatusCode::kInternal);

  auto inside = tables;
  inside[0][1] += 1;
  EXPECT_EQ(pool.check(inside).code(), StatusCode::kInternal);

  auto free_one = tables;
  free_one[1].push_back(tables[0][1] + 64);
  EXPECT_EQ(pool.check(free_one).code(), StatusCode::kInternal);

  EXPECT_TRUE(pool.check(tables).ok());
}

TEST(BlockPool, RefusesAnAbsurdNumberOfBlocks) {
  EXPECT_EQ(BlockPool::make(64, int64_t{1} << 40).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace cairn
