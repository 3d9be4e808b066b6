#include "cli/bench_full_index.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

constexpr int64_t kBlocks = 200;  // of four texts

FullIndex full_index() {
  FullIndex index = std::move(FullIndex::create(kBlocks)).value();
  while (index.inserted_blocks() < kBlocks) EXPECT_TRUE(index.insert_next().ok());
  return index;
}

// Named blocks that are in memory, as the index itself shows them.
int64_t named_blocks(const KvCache& cache) {
  int64_t count = 0;
  cache.walk_prefixes([&](const KvPrefixNode& node) { count += node.resident_groups != 0 ? 1 : 0; });
  return count;
}

void expect_full(const FullIndex& index) {
  const Status status = index.cache().check();
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(named_blocks(index.cache()), kBlocks);
  EXPECT_EQ(index.cache().block_counts(0).idle_blocks, kBlocks);
  EXPECT_EQ(index.cache().used_bytes(), 0U);
}

TEST(FullIndex, IsFullAndStaysSo) {
  FullIndex index = full_index();
  expect_full(index);
  for (int i = 0; i < 30; ++i) {
    for (int k = 0; k < i % 6; ++k) {
      const Result<double> seconds = index.look_up_oldest();
      ASSERT_TRUE(seconds.ok()) << seconds.status().message();
      EXPECT_GE(*seconds, 0);
    }
    ASSERT_TRUE(index.insert_next().ok());
    expect_full(index);
  }
  EXPECT_EQ(index.inserted_blocks(), kBlocks + 30 * FullIndex::kTextBlocks);
}

TEST(FullIndex, FindsWholeTextsOnly) {
  FullIndex index = full_index();
  const int64_t matched = index.cache().counts().matched_positions;
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(index.look_up_oldest().ok());
  EXPECT_EQ(index.cache().counts().matched_positions - matched, 9 * FullIndex::kTextBlocks * kBlockSize);
}

TEST(FullIndex, SaysWhatItTakes) {
  const uint64_t bytes = FullIndex::most_bytes(kBlocks).value();
  EXPECT_GE(bytes, FullIndex::create(kBlocks)->cache().pool_bytes());
  EXPECT_LT(FullIndex::most_bytes(1'000'000).value(), uint64_t{1400} << 20);
}

}  // namespace
}  // namespace cairn
