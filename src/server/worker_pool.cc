#include "server/worker_pool.h"

#include <system_error>
#include <utility>

namespace cairn {

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(int thread_count) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool);
  try {
    for (int i = 0; i < thread_count; ++i) pool->threads_.emplace_back([raw = pool.get()] { raw->run(); });
  } catch (const std::system_error&) {
    return resource_exhausted("the system gives this process no more threads");
  }
  return pool;
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    closes_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::post(Work work, Lane lane) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = work_.try_emplace(lane).first;
    try {
      at->second.push_back(std::move(work));
    } catch (...) {
      if (at->second.empty()) work_.erase(at);
      throw;
    }
  }
  has_work_.notify_one();
}

// Of the lane behind the one that was served last.
WorkerPool::Work WorkerPool::take_next() {
  auto lane = work_.upper_bound(last_lane_);
  if (lane == work_.end()) lane = work_.begin();
  last_lane_ = lane->first;
  Work work = std::move(lane->second.front());
  lane->second.pop_front();
  if (lane->second.empty()) work_.erase(lane);
  return work;
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [this] { return closes_ || !work_.empty(); });
    if (work_.empty()) return;
    Work work = take_next();
    lock.unlock();
    try {
      work();
    } catch (...) {
      // An exchange that is dropped unanswered answers by itself; there is nobody else to tell.
    }
    work = nullptr;  // what it holds is destroyed without the lock
    lock.lock();
  }
}

}  // namespace cairn
