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

void WorkerPool::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
  }
  has_work_.notify_one();
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [this] { return closes_ || !work_.empty(); });
    if (work_.empty()) return;
    Work work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds is destroyed without the lock
    lock.lock();
  }
}

}  // namespace cairn
