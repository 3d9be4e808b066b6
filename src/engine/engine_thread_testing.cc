#include "engine/engine_thread_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace cairn {

WorkerExecutor::WorkerExecutor(int thread_count) {
  threads_.reserve(static_cast<size_t>(thread_count));
  for (int i = 0; i < thread_count; ++i) threads_.emplace_back([this] { work(); });
}

Executor WorkerExecutor::executor() {
  return [this](Delivery delivery) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(delivery));
    ++posted_count_;
    queued_count_max_ = std::max(queued_count_max_, static_cast<int64_t>(queue_.size()));
    changed_.notify_one();
  };
}

void WorkerExecutor::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void WorkerExecutor::release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void WorkerExecutor::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
    held_ = false;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int64_t WorkerExecutor::posted_count() {
  const std::lock_guard lock(mutex_);
  return posted_count_;
}

int64_t WorkerExecutor::queued_count_max() {
  const std::lock_guard lock(mutex_);
  return queued_count_max_;
}

void WorkerExecutor::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !held_ && (finishing_ || !queue_.empty()); });
    if (queue_.empty()) return;
    const Delivery delivery = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    delivery->deliver();
    lock.lock();
  }
}

EngineThread::TimePoint in_a_while() { return std::chrono::steady_clock::now() + std::chrono::seconds(60); }

RunningThread::RunningThread(const EngineThreadOptions& options) {
  auto made = EngineThread::create(
      make_fake_engine({.context = 4096, .max_sequences = 4, .prefill_chunk = 64}).engine, workers.executor(),
      options);
  EXPECT_TRUE(made.ok()) << made.status().message();
  thread = std::move(*made);
}

void RunningThread::finish() {
  thread->drain(in_a_while());
  workers.finish();
}

HeldLoop::HeldLoop(EngineThread& thread) {
  std::promise<void> begun;
  auto has_begun = begun.get_future();
  const auto hold = [&begun, go = go_.get_future().share()](Engine&) {
    begun.set_value();
    go.wait();
  };
  EXPECT_TRUE(thread.ask(hold).ok());
  has_begun.wait();
}

void expect_cancelled(const Heard& heard) {
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kCancelled);
}

void expect_error(const Heard& heard, StatusCode code) {
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kError);
  EXPECT_EQ(heard.results[0].status.code(), code) << heard.results[0].status.message();
}

}  // namespace cairn
