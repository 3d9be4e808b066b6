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
  // Written by the caller before `gate` opens, read by workers after they have passed it.
  RawJob job = nullptr;
  const void* context = nullptr;
  bool stopping = false;

  // What workers wait for; incremented for each job.
  alignas(64) std::atomic<uint32_t> generation{0};
  // generation << 32 | kClosed or 0 | workers that have entered the job. A worker that comes late to a job
  // whose items are all claimed stays outside, so that nobody waits for a thread that has no core to run on.
  alignas(64) std::atomic<uint64_t> gate{0};
  alignas(64) std::atomic<uint32_t> finished{0};  // of those that have entered
  alignas(64) std::atomic<int64_t> next_item{0};
  std::vector<std::thread> workers;

  static constexpr uint64_t kClosed = uint64_t{1} << 31;
  static constexpr uint64_t kCountMask = kClosed - 1;

  bool enter(uint32_t of_generation) {
    uint64_t now = gate.load(std::memory_order_acquire);
    while (now >> 32 == of_generation && (now & kClosed) == 0) {
      if (gate.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel, std::memory_order_acquire))
        return true;
    }
    return false;
  }

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      uint32_t now = seen;
      while (now == seen) now = wait_for_change(generation, seen);
      seen = now;
      if (!enter(seen)) continue;
      if (stopping) return;
      {
        const FloatMode mode;
        job(context, thread);
      }
      finished.fetch_add(1, std::memory_order_acq_rel);
      finished.notify_one();
    }
  }

  // Also of a pool whose constructor got only some of its threads.
  ~Impl() {
    stopping = true;
    open_gate();
    for (std::thread& worker : workers) worker.join();
  }

  void open_gate() {
    finished.store(0, std::memory_order_relaxed);
    const uint32_t next = generation.load(std::memory_order_relaxed) + 1;
    gate.store(uint64_t{next} << 32, std::memory_order_release);
    generation.store(next, std::memory_order_release);
    generation.notify_all();
  }

  void wait_for_finished(uint32_t count) {
    uint32_t done = finished.load(std::memory_order_acquire);
    while (done != count) done = wait_for_change(finished, done);
  }
};

ThreadPool::ThreadPool(int thread_count) : impl_(std::make_unique<Impl>()) {
  CHECK(thread_count >= 1);
  impl_->workers.reserve(static_cast<size_t>(thread_count - 1));
  for (int thread = 1; thread < thread_count; ++thread) {
    impl_->workers.emplace_back([impl = impl_.get(), thread] { impl->work(thread); });
  }
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::thread_count() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run_raw(RawJob job, const void* context, Helpers helpers) {
  impl_->job = job;
  impl_->context = context;
  impl_->open_gate();
  {
    const FloatMode mode;
    job(context, 0);
  }
  if (helpers == Helpers::kAll) return impl_->wait_for_finished(static_cast<uint32_t>(impl_->workers.size()));
  const uint64_t entered = impl_->gate.fetch_or(Impl::kClosed, std::memory_order_acq_rel) & Impl::kCountMask;
  impl_->wait_for_finished(static_cast<uint32_t>(entered));
}

void ThreadPool::reset_items() { impl_->next_item.store(0, std::memory_order_relaxed); }

int64_t ThreadPool::next_item() { return impl_->next_item.fetch_add(1, std::memory_order_relaxed); }

}  // namespace cairn
