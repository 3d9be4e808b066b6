#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace cairn {
namespace {

TEST(WorkerPool, RunsAllWorkBeforeItEnds) {
  std::atomic<int> count = 0;
  {
    auto pool = WorkerPool::create(3);
    ASSERT_TRUE(pool.ok()) << pool.status().message();
    for (int i = 0; i < 1000; ++i) (*pool)->post([&count] { ++count; });
  }
  EXPECT_EQ(count, 1000);
}

TEST(WorkerPool, WorkMayPostWork) {
  auto pool = WorkerPool::create(1);
  ASSERT_TRUE(pool.ok());
  std::latch done(1);
  (*pool)->post([&] { (*pool)->post([&] { done.count_down(); }); });
  done.wait();
}

TEST(WorkerPool, LongWorkDoesNotHoldUpTheOthers) {
  auto pool = WorkerPool::create(2);
  ASSERT_TRUE(pool.ok());
  std::latch may_end(1);
  std::latch others(10);
  (*pool)->post([&] { may_end.wait(); });
  for (int i = 0; i < 10; ++i) (*pool)->post([&] { others.count_down(); });
  others.wait();
  may_end.count_down();
}

}  // namespace
}  // namespace cairn
