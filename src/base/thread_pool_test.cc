#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cairn {
namespace {

TEST(ThreadPool, RunsAJobOnceOnEachThread) {
  for (const int count : {1, 2, 5}) {
    ThreadPool threads(count);
    ASSERT_EQ(threads.thread_count(), count);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
      threads.run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
      for (const auto& c : calls) ASSERT_EQ(c, 1);
    }
  }
}

TEST(ThreadPool, DoesEachItemOnce) {
  for (const int count :
       {1, 2, 7}) {  // more threads than cores, too: late ones must not be waited for, nor run twice
    ThreadPool threads(count);
    for (int round = 0; round < 2000; ++round) {
      const int64_t items = round % 13;
      std::vector<std::atomic<int>> done(13);
      threads.for_each(items, [&](int64_t item, int thread) {
        EXPECT_LT(thread, count);
        ++done[static_cast<size_t>(item)];
      });
      for (int64_t i = 0; i < 13; ++i) ASSERT_EQ(done[static_cast<size_t>(i)], i < items ? 1 : 0);
    }
  }
}

TEST(ThreadPool, WhatItemsWriteIsSeenAfterwards) {
  ThreadPool threads(3);
  std::vector<int64_t> squares(1000);
  for (int round = 1; round < 100; ++round) {
    threads.for_each(1000, [&](int64_t item, int) { squares[static_cast<size_t>(item)] = item * round; });
    for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(squares[static_cast<size_t>(i)], i * round);
  }
}

TEST(ThreadPool, KindsOfJobsMix) {
  ThreadPool threads(4);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 500; ++round) {
    threads.for_each(3, [&](int64_t item, int) { sum += item; });
    threads.run([&](int) { ++sum; });
  }
  EXPECT_EQ(sum, 500 * (3 + 4));
}

#if defined(__x86_64__)
TEST(ThreadPool, ComputesInItsOwnFloatModeAndGivesTheCallersBack) {
  constexpr unsigned kFlush = 0x9FC0;  // denormals to zero, on input and output
  const unsigned before = _mm_getcsr();
  ThreadPool threads(2);
  _mm_setcsr(kFlush);
  std::atomic<unsigned> wrong{0};
  threads.run([&](int) { wrong += (_mm_getcsr() & 0xFFC0U) != 0x1F80U ? 1U : 0U; });
  EXPECT_EQ(_mm_getcsr() & 0xFFC0U, kFlush);
  _mm_setcsr(before);
  EXPECT_EQ(wrong, 0U);
}
#endif

}  // namespace
}  // namespace cairn
