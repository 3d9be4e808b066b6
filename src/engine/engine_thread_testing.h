// For tests of EngineThread: an executor of a few threads that can be paused, a thread over a fake engine
// with one, and a way to pause its loop.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine_thread.h"
#include "engine/fake_pass_testing.h"

namespace cairn {

// An Executor.
class WorkerExecutor {
 public:
  explicit WorkerExecutor(int thread_count);
  ~WorkerExecutor() { finish(); }

  [[nodiscard]] Executor executor();
  // No delivery is begun between hold() and release().
  void hold();
  void release();
  // Makes all deliveries and ends the threads: what listeners have written can be read afterwards.
  void finish();
  [[nodiscard]] int64_t posted_count();
  [[nodiscard]] int64_t queued_count_max();  // how many deliveries have waited at once

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Delivery> queue_;
  bool held_ = false;
  bool finishing_ = false;
  int64_t posted_count_ = 0;
  int64_t queued_count_max_ = 0;
  std::vector<std::thread> threads_;
};

// Far enough for any machine under any sanitizer, near enough for a test that hangs.
EngineThread::TimePoint in_a_while();

// An EngineThread over a fake engine with a context of 4096, four sequences at once.
struct RunningThread {
  explicit RunningThread(const EngineThreadOptions& options = {});
  // Drains; after this all listeners have been called.
  void finish();

  WorkerExecutor workers{2};
  std::unique_ptr<EngineThread> thread;
};

// Pauses the loop between two steps until it is released: what is sent meanwhile stays in the mailbox.
class HeldLoop {
 public:
  explicit HeldLoop(EngineThread& thread);
  void let_go() { go_.set_value(); }

 private:
  std::promise<void> go_;
};

void expect_cancelled(const Heard& heard);
void expect_error(const Heard& heard, StatusCode code);

}  // namespace cairn
