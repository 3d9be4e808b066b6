#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <new>

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

TEST(WorkerPool, LanesAreServedInTurn) {
  auto pool = WorkerPool::create(1);
  ASSERT_TRUE(pool.ok());
  std::latch may_begin(1);
  std::latch done(1);
  std::atomic<int> of_the_crowd = 0;
  (*pool)->post([&] { may_begin.wait(); });
  for (int i = 0; i < 100; ++i) (*pool)->post([&] { ++of_the_crowd; }, 1);
  int before = -1;
  (*pool)->post(
      [&] {
        before = of_the_crowd;
        done.count_down();
      },
      2);
  may_begin.count_down();
  done.wait();
  EXPECT_LE(before, 1);
}

TEST(WorkerPool, WhatWorkThrowsEndsItAlone) {
  auto pool = WorkerPool::create(1);
  ASSERT_TRUE(pool.ok());
  std::latch done(1);
  (*pool)->post([] { throw std::bad_alloc(); });
  (*pool)->post([&] { done.count_down(); });
  done.wait();
}

}  // namespace
}  // namespace cairn
