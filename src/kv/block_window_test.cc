#include "kv/block_window.h"

#include <gtest/gtest.h>

#include <set>

namespace cairn {
namespace {

// The blocks with a row that a query at `position` or later sees, of those before it; and the last full one.
std::set<int64_t> needed_blocks(const Visibility& seen, int64_t position) {
  std::set<int64_t> blocks;
  if (position >= kBlockSize) blocks.insert(position / kBlockSize - 1);
  if (position % kBlockSize > 0) blocks.insert(position / kBlockSize);
  for (int64_t p = 0; p < position; ++p) {
    const bool is_sink = p < seen.sinks;
    const bool is_recent = seen.sees_all() || p >= position - seen.window + 1;
    if (is_sink || is_recent) blocks.insert(p / kBlockSize);
  }
  return blocks;
}

const std::vector<Visibility> kWindows{{.window = 1},
                                       {.window = 2},
                                       {.window = 31},
                                       {.window = 32},
                                       {.window = 33},
                                       {.window = 34},
                                       {.window = 64},
                                       {.window = 65},
                                       {.window = 100},
                                       {.window = 1, .sinks = 1},
                                       {.window = 40, .sinks = 4},
                                       {.window = 33, .sinks = 32},
                                       {.window = 70, .sinks = 33},
                                       {.window = 2, .sinks = 256}};

TEST(BlockWindow, ABlockIsNeededAsLongAsALaterQuerySeesIt) {
  for (const Visibility& seen : kWindows) {
    const BlockWindow window(seen);
    for (int64_t length = 0; length < 500; ++length) {
      const std::set<int64_t> needed = needed_blocks(seen, length);
      for (int64_t b = 0; b * kBlockSize < length; ++b) {
        const bool is_needed = b < window.sink_blocks() || b >= window.first_needed(length);
        ASSERT_TRUE(is_needed || !needed.contains(b)) << seen.window << ' ' << length << ' ' << b;
        // Nothing is held for longer than that, but for sinks, which are kept in whole blocks.
        if (b >= window.sink_blocks() && is_needed) {
          ASSERT_TRUE(needed.contains(b)) << seen.window << ' ' << seen.sinks << ' ' << length << ' ' << b;
        }
      }
    }
  }
}

TEST(BlockWindow, WhatIsKeptSufficesToGoBackByTheMargin) {
  for (const Visibility& seen : kWindows) {
    const BlockWindow window(seen);
    for (int64_t length = 0; length < 500; ++length) {
      for (int64_t back = 0; back <= std::min(length, kRollbackMargin); ++back) {
        const int64_t cut_block = (length - back) / kBlockSize * kBlockSize;
        ASSERT_LE(window.first_kept(length), window.first_needed(cut_block));
      }
    }
  }
}

TEST(BlockWindow, ATailServesItsEndAndTheOneBefore) {
  for (const Visibility& seen : kWindows) {
    const BlockWindow window(seen);
    for (int64_t end = 1; end < 20; ++end) {
      EXPECT_LE(window.tail_begin(end), window.first_needed(end * kBlockSize));
      EXPECT_LE(window.tail_begin(end), window.first_needed((end - 1) * kBlockSize));
      EXPECT_LE(end - window.tail_begin(end) + window.sink_blocks(), window.tail_blocks());
    }
  }
}

// Sequences of all lengths, each in a step of its own size: the most blocks that can be there are never too few, and are
// reached.
TEST(BlockWindow, TheMostBlocksAreTheMost) {
  for (const Visibility& seen : kWindows) {
    const BlockWindow window(seen);
    int64_t most = 0;
    for (int64_t length = 0; length < 600; ++length) {
      const int64_t first = window.first_kept(length);
      const auto blocks_until = [&](int64_t rows) {
        return window.sink_blocks() + std::max<int64_t>(0, (rows + kBlockSize - 1) / kBlockSize - first);
      };
      most = std::max(most, blocks_until(length + 1));
      for (const int64_t rows : {1, 2, 7, 32, 33, 64, 100}) {
        ASSERT_LE(blocks_until(length + rows), window.most_blocks() + BlockWindow::step_blocks(rows, 1));
      }
    }
    EXPECT_EQ(most, window.most_blocks()) << seen.window << ' ' << seen.sinks;
  }
}

TEST(BlockWindow, AStepsRowsAreCountedOnce) {
  EXPECT_EQ(BlockWindow::step_blocks(1, 1), 0);
  EXPECT_EQ(BlockWindow::step_blocks(2, 1), 1);
  EXPECT_EQ(BlockWindow::step_blocks(512, 1), 16);
  EXPECT_EQ(BlockWindow::step_blocks(513, 1), 16);
  EXPECT_EQ(BlockWindow::step_blocks(514, 1), 17);
  // Each of the sequences may begin a block more with two rows.
  EXPECT_GE(BlockWindow::step_blocks(512 + 3, 4), 16 + 3);
  EXPECT_LE(BlockWindow::step_blocks(512 + 3, 4), 16 + 4);
}

}  // namespace
}  // namespace cairn
