// WorkerPool: threads that run what the server's other threads hand over. Used for what may take long (reading a body,
// tokenizing, compiling a schema) and for the engine's deliveries, so that neither the sockets' threads nor the engine's
// loop ever waits for it. Work stands in lanes (a tenant's each), which are served in turn: who hands over much waits for
// it, and nobody else does.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cairn/status.h"

namespace cairn {

class WorkerPool {
 public:
  using Work = std::function<void()>;  // what it throws ends it, and nothing else
  using Lane = uint64_t;
  // kResourceExhausted: no thread.
  static Result<std::unique_ptr<WorkerPool>> create(int thread_count);
  // Runs all work that was posted, then joins. Not from a worker.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread. May throw std::bad_alloc, and has not kept the work then.
  void post(Work work, Lane lane = 0);

 private:
  WorkerPool() = default;
  void run();
  [[nodiscard]] Work take_next();

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::map<Lane, std::deque<Work>> work_;  // no lane is empty
  Lane last_lane_ = 0;                     // that was served
  bool closes_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace cairn
