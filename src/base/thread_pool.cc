#include "base/thread_pool.h"

#include <atomic>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/check.h"
#include "base/float_mode.h"

namespace cairn {
namespace {

// About 40 us: longer than any gap between two matrix products of a step, shorter than a time slice.
constexpr int kSpinPauses = 1000;

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Spins, then sleeps, until `value` differs from `old`; returns the new value.
uint32_t wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpinPauses; ++i) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause_cpu();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

struct ThreadPool::Impl {
  // Written by the caller before `generation` is bumped, read by workers after they see it.
  RawJob job = nullptr;
  const void* context = nullptr;
  bool stopping = false;

  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<uint32_t> running{0};  // workers that have not finished the current job
  alignas(64) std::atomic<int64_t> next_item{0};
  std::vector<std::thread> workers;

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      uint32_t now = seen;
      while (now == seen) now = wait_for_change(generation, seen);
      seen = now;
      if (stopping) return;
      {
        const FloatMode mode;
        job(context, thread);
      }
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }

  void start_job() {
    running.store(static_cast<uint32_t>(workers.size()), std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }
};

ThreadPool::ThreadPool(int thread_count) : impl_(std::make_unique<Impl>()) {
  CHECK(thread_count >= 1);
  impl_->workers.reserve(static_cast<size_t>(thread_count - 1));
  for (int thread = 1; thread < thread_count; ++thread) {
    impl_->workers.emplace_back([impl = impl_.get(), thread] { impl->work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  impl_->stopping = true;
  impl_->start_job();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::thread_count() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run_raw(RawJob job, const void* context) {
  impl_->job = job;
  impl_->context = context;
  impl_->start_job();
  {
    const FloatMode mode;
    job(context, 0);
  }
  uint32_t left = impl_->running.load(std::memory_order_acquire);
  while (left != 0) left = wait_for_change(impl_->running, left);
}

void ThreadPool::reset_items() { impl_->next_item.store(0, std::memory_order_relaxed); }

int64_t ThreadPool::next_item() { return impl_->next_item.fetch_add(1, std::memory_order_relaxed); }

}  // namespace cairn
