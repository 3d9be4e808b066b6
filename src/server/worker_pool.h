// WorkerPool: threads that run what the server's other threads hand over, in no order. Used for what may take long
// (reading a body, tokenizing, compiling a schema) and for the engine's deliveries, so that neither the sockets' threads nor
// the engine's loop ever waits for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cairn/status.h"

namespace cairn {

class WorkerPool {
 public:
  using Work = std::function<void()>;  // must not throw
  // kResourceExhausted: no thread.
  static Result<std::unique_ptr<WorkerPool>> create(int thread_count);
  // Runs all work that was posted, then joins. Not from a worker.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread. May throw std::bad_alloc, and has not kept the work then.
  void post(Work work);

 private:
  WorkerPool() = default;
  void run();

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<Work> work_;
  bool closes_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace cairn
