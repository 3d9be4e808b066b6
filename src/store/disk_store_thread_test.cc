// The disk store used by several threads at once.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/random.h"
#include "store/disk_store_testing.h"

namespace cairn {
namespace {

// Everything at once, in a store that is too small: whatever is read is right, and the bound holds.
TEST(DiskStoreThreadTest, WhateverIsReadIsRight) {
  TestStore store(6);
  store.options.io = FileIo::kAuto;
  store.open();
  std::atomic<uint64_t> read_count = 0;
  std::atomic<bool> outgrown = false;
  const auto work = [&](uint64_t thread) {
    for (uint64_t i = 0; i < 150; ++i) {
      *store.now_ms += 50;
      const uint64_t number = random_bits(7, thread, i) % 150;
      const SampleRecord record = sample(number, number % 4);
      if (store->put(record.view()).ok() && i % 16 == 0) (void)store->flush();
      for (uint64_t k = 0; k < 3; ++k) {
        const uint64_t other = random_bits(8, thread, 3 * i + k) % 150;
        const Seen seen = look_for(*store, sample(other, other % 4));
        EXPECT_NE(seen, Seen::kWrong);
        read_count += seen == Seen::kThere ? 1 : 0;
      }
      if (i % 50 == 25) EXPECT_TRUE(store->erase_owner(owner_of(thread)).ok());
      if (i % 30 == 7) (void)store->pin(name_of(number));
      if (i % 30 == 22) (void)store->unpin(name_of(number));
      if (store->counts().disk_bytes > store.options.size_bytes + kTestSegmentBytes) outgrown = true;
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) threads.emplace_back(work, thread);
  threads.emplace_back([&] {
    for (int i = 0; i < 3; ++i) store->verify([](uint64_t, uint64_t) { return true; });
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(read_count, 100U);
  EXPECT_FALSE(outgrown);
  EXPECT_EQ(store->counts().bad_record_count, 0U);
  EXPECT_EQ(store->counts().read_error_count, 0U);
  store.open();
  EXPECT_EQ(store->verify([](uint64_t, uint64_t) { return true; }).bad.size(), 0U);
}

TEST(DiskStoreThreadTest, OneNamePutAtOnceIsWrittenOnce) {
  TestStore store;
  store.open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint64_t number = 0; number < 20; ++number) EXPECT_TRUE(store->put(sample(number).view()).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->counts().put_count, 20U);
  EXPECT_EQ(store->counts().known_count, 60U);
}

}  // namespace
}  // namespace cairn
