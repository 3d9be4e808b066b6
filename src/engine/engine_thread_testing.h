// WorkerExecutor: an Executor of a few threads, which a test can hold still.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine_thread.h"

namespace cairn {

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

}  // namespace cairn
