// Each arrow of a block's life, what must not be done, and seeded lists of operations against a naive twin.
#include "kv/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <set>
#include <vector>

namespace cairn {
namespace {

constexpr uint64_t kBlockBytes = 128;

KvEventLog& event_log() {
  static KvEventLog events;
  return events;
}

BlockPool make_pool(int64_t block_count) { return *BlockPool::make(kBlockBytes, block_count, event_log()); }

BlockId sealed(BlockPool& pool) {
  const BlockId block = *pool.take();
  pool.seal(block);
  return block;
}

BlockId idle(BlockPool& pool) {
  const BlockId block = sealed(pool);
  pool.unpin(block, Unpinned::kIdle);
  return block;
}

// free, open, held, idle
void expect_counts(const BlockPool& pool, const std::vector<int64_t>& counts) {
  EXPECT_EQ((std::vector{pool.free_count(), pool.open_count(), pool.held_count(), pool.idle_count()}),
            counts);
  EXPECT_TRUE(pool.check().ok()) << pool.check().message();
}

TEST(BlockPool, StartsFree) {
  const BlockPool pool = make_pool(3);
  expect_counts(pool, {3, 0, 0, 0});
  EXPECT_EQ(pool.block_count(), 3);
  EXPECT_EQ(pool.bytes(), 3 * kBlockBytes);
  EXPECT_FALSE(pool.oldest_idle().has_value());
}

TEST(BlockPool, TakesFromTheFrontAndSaysWhenNoneIsFree) {
  BlockPool pool = make_pool(3);
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pool.take(), BlockId{i});  // so pages are touched in order
    EXPECT_EQ(pool.state({i}), BlockState::kOpen);
    EXPECT_EQ(pool.pin_count({i}), 0);
  }
  EXPECT_FALSE(pool.take().has_value());
  expect_counts(pool, {0, 3, 0, 0});
}

TEST(BlockPool, TakesAgainWhatWasGivenBackLast) {
  BlockPool pool = make_pool(8);
  const BlockId a = *pool.take();
  const BlockId b = *pool.take();
  pool.drop(a);
  pool.drop(b);
  expect_counts(pool, {8, 0, 0, 0});
  EXPECT_EQ(pool.take(), b);
  EXPECT_EQ(pool.take(), a);
}

TEST(BlockPool, GivesEachBlockBytesOfItsOwn) {
  BlockPool pool = make_pool(3);
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pool.data({i})) % 64, 0U);
    std::memset(pool.data({i}), i + 1, kBlockBytes);
  }
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::all_of(pool.data({i}), pool.data({i}) + kBlockBytes,
                            [&](std::byte byte) { return byte == static_cast<std::byte>(i + 1); }));
  }
}

TEST(BlockPool, SealsReopensAndDrops) {
  BlockPool pool = make_pool(2);
  const BlockId block = sealed(pool);
  EXPECT_EQ(pool.state(block), BlockState::kHeld);
  EXPECT_EQ(pool.pin_count(block), 1);
  expect_counts(pool, {1, 0, 1, 0});
  pool.reopen(block);
  EXPECT_EQ(pool.pin_count(block), 0);
  expect_counts(pool, {1, 1, 0, 0});
  pool.drop(block);
  expect_counts(pool, {2, 0, 0, 0});
}

TEST(BlockPool, StaysHeldUntilTheLastPinGoes) {
  BlockPool pool = make_pool(2);
  const BlockId block = sealed(pool);
  pool.pin(block);
  pool.pin(block);
  EXPECT_EQ(pool.pin_count(block), 3);
  pool.unpin(block, Unpinned::kFree);
  pool.unpin(block, Unpinned::kIdle);
  expect_counts(pool, {1, 0, 1, 0});
  pool.unpin(block, Unpinned::kIdle);
  expect_counts(pool, {1, 0, 0, 1});
  pool.pin(block);  // found again
  EXPECT_EQ(pool.pin_count(block), 1);
  expect_counts(pool, {1, 0, 1, 0});
  pool.unpin(block, Unpinned::kFree);
  expect_counts(pool, {2, 0, 0, 0});
}

TEST(BlockPool, EvictsInTheOrderOfLettingGo) {
  BlockPool pool = make_pool(4);
  const BlockId a = idle(pool);
  const BlockId b = idle(pool);
  const BlockId c = idle(pool);
  const BlockId d = idle(pool);
  expect_counts(pool, {0, 0, 0, 4});
  EXPECT_FALSE(pool.take().has_value());  // idle is not free
  pool.pin(b);                            // from the middle
  pool.pin(a);                            // from the old end
  pool.unpin(a, Unpinned::kIdle);         // now the newest
  EXPECT_EQ(pool.oldest_idle(), c);
  pool.evict(c);
  EXPECT_EQ(pool.oldest_idle(), d);
  pool.evict(a);  // any idle block may go; here the newest
  expect_counts(pool, {2, 0, 1, 1});
  pool.evict(d);
  EXPECT_FALSE(pool.oldest_idle().has_value());
  EXPECT_EQ(pool.take(), d);
}

TEST(BlockPool, RefusesAnAbsurdNumberOfBlocks) {
  EXPECT_EQ(BlockPool::make(64, int64_t{1} << 40, event_log()).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(BlockPool::make(uint64_t{1} << 30, int64_t{1} << 20, event_log()).status().code(),
            StatusCode::kResourceExhausted);
}

// Every arrow from every state that it does not leave.
TEST(BlockPoolDeathTest, EachArrowLeavesOnlyItsOwnState) {
  GTEST_FLAG_SET(death_test_style, "fast");
  BlockPool pool = make_pool(5);
  const BlockId in_idle = idle(pool);
  const BlockId in_held = sealed(pool);
  const BlockId in_open = *pool.take();
  const BlockId in_free{4};
  ASSERT_EQ(pool.state(in_free), BlockState::kFree);
  const auto dies_from = [](std::initializer_list<BlockId> blocks, const auto& arrow) {
    for (const BlockId block : blocks) EXPECT_DEATH(arrow(block), "CHECK") << block.value;
  };
  dies_from({in_free, in_held, in_idle}, [&](BlockId block) { pool.drop(block); });
  dies_from({in_free, in_held, in_idle}, [&](BlockId block) { pool.seal(block); });
  dies_from({in_free, in_open, in_idle}, [&](BlockId block) { pool.reopen(block); });
  dies_from({in_free, in_open}, [&](BlockId block) { pool.pin(block); });
  dies_from({in_free, in_open, in_idle}, [&](BlockId block) { pool.unpin(block, Unpinned::kIdle); });
  dies_from({in_free, in_open, in_held}, [&](BlockId block) { pool.evict(block); });
  pool.pin(in_held);
  dies_from({in_held}, [&](BlockId block) { pool.reopen(block); });  // somebody else reads it
  dies_from({BlockId{5}, BlockId{-1}}, [&](BlockId block) { pool.pin(block); });
}

// The same life in the plainest containers.
class PoolTwin {
 public:
  PoolTwin(int64_t block_count, uint64_t seed) : pool_(make_pool(block_count)), random_(seed) {
    for (int32_t b = 0; b < block_count; ++b) free_.insert(b);
    last_pins_.resize(static_cast<size_t>(block_count));
  }

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
  }

 private:
  // A random one of a set; nothing of an empty set.
  std::optional<int32_t> any(const std::set<int32_t>& blocks) {
    if (blocks.empty()) return std::nullopt;
    return *std::next(blocks.begin(), static_cast<int64_t>(random_() % blocks.size()));
  }

  void one() {
    switch (random_() % 8) {
      case 0:
      case 1: return take();
      case 2:
        if (const auto b = any(open_)) pool_.drop({*b}), open_.erase(*b), free_.insert(*b);
        return;
      case 3:
        if (const auto b = any(open_)) pool_.seal({*b}), open_.erase(*b), held_.insert(*b), pins(*b) = 1;
        return;
      case 4:
        if (const auto b = any(held_); b && pins(*b) == 1) {
          pool_.reopen({*b});
          held_.erase(*b);
          open_.insert(*b);
        }
        return;
      case 5: return pin();
      case 6: return unpin();
      default: return evict();
    }
  }

  void take() {
    const auto block = pool_.take();
    ASSERT_EQ(block.has_value(), !free_.empty());
    if (!block.has_value()) return;
    ASSERT_EQ(free_.erase(block->value), 1U);
    open_.insert(block->value);
  }

  void pin() {
    std::set<int32_t> pinnable = held_;
    pinnable.insert(idle_.begin(), idle_.end());
    const auto b = any(pinnable);
    if (!b.has_value()) return;
    pool_.pin({*b});
    if (held_.insert(*b).second) {
      std::erase(idle_, *b);
      pins(*b) = 0;
    }
    ++pins(*b);
  }

  void unpin() {
    const auto b = any(held_);
    if (!b.has_value()) return;
    const bool frees = random_() % 3 == 0;
    pool_.unpin({*b}, frees ? Unpinned::kFree : Unpinned::kIdle);
    if (--pins(*b) > 0) return;
    held_.erase(*b);
    if (frees) {
      free_.insert(*b);
    } else {
      idle_.push_back(*b);
    }
  }

  void evict() {
    if (idle_.empty()) return;
    ASSERT_EQ(pool_.oldest_idle(), BlockId{idle_.front()});
    const auto at = random_() % 4 == 0 ? random_() % idle_.size() : 0;  // mostly the oldest
    const int32_t b = idle_[at];
    pool_.evict({b});
    std::erase(idle_, b);
    free_.insert(b);
  }

  int& pins(int32_t block) { return last_pins_[static_cast<size_t>(block)]; }

  void compare() {
    const Status status = pool_.check();
    ASSERT_TRUE(status.ok()) << status.message();
    const auto size = [](const auto& blocks) { return static_cast<int64_t>(blocks.size()); };
    ASSERT_EQ(pool_.free_count(), size(free_));
    ASSERT_EQ(pool_.open_count(), size(open_));
    ASSERT_EQ(pool_.held_count(), size(held_));
    ASSERT_EQ(pool_.idle_count(), size(idle_));
    ASSERT_EQ(pool_.oldest_idle().has_value(), !idle_.empty());
    if (!idle_.empty()) ASSERT_EQ(pool_.oldest_idle()->value, idle_.front());
    for (const int32_t b : free_) ASSERT_EQ(pool_.state({b}), BlockState::kFree);
    for (const int32_t b : open_) ASSERT_EQ(pool_.state({b}), BlockState::kOpen);
    for (const int32_t b : idle_) ASSERT_EQ(pool_.state({b}), BlockState::kIdle);
    for (const int32_t b : held_) {
      ASSERT_EQ(pool_.state({b}), BlockState::kHeld);
      ASSERT_EQ(pool_.pin_count({b}), pins(b));
    }
  }

  BlockPool pool_;
  std::mt19937_64 random_;
  std::set<int32_t> free_;
  std::set<int32_t> open_;
  std::set<int32_t> held_;
  std::deque<int32_t> idle_;  // the oldest first
  std::vector<int> last_pins_;
};

TEST(BlockPool, AgreesWithANaiveTwin) {
  for (uint64_t seed = 1; seed <= 10 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    for (const int64_t block_count : {1, 2, 5, 20, 100}) PoolTwin(block_count, seed).run(2'000);
  }
}

}  // namespace
}  // namespace cairn
