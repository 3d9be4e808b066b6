// ThreadPool: fork and join over a fixed set of threads, the caller's included.
//
// Workers spin for a bounded time after each job and then sleep, so an idle pool costs nothing and a busy
// machine is not starved. Every thread that computes, the caller's too, runs a job under one floating
// point mode (round to nearest, denormals kept) and gets its own back afterwards.
// One job at a time: run() is for one caller and is not re-entrant. A job must not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace cairn {

class ThreadPool {
 public:
  // `thread_count` >= 1 counts the caller.
  explicit ThreadPool(int thread_count);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int thread_count() const;

  // Calls job(thread) once on each thread, thread = 0 (the caller) ... thread_count - 1; returns when all
  // have.
  template <typename Job>
  void run(const Job& job) {
    run_raw([](const void* context, int thread) { (*static_cast<const Job*>(context))(thread); }, &job);
  }

  // Calls body(item, thread) for item = 0 ... count - 1, items claimed one by one in ascending order by
  // whoever is free. Results must not depend on which thread computes an item.
  template <typename Body>
  void for_each(int64_t count, const Body& body) {
    if (count <= 0) return;
    reset_items();
    run([&](int thread) {
      for (int64_t item = next_item(); item < count; item = next_item()) body(item, thread);
    });
  }

 private:
  using RawJob = void (*)(const void* context, int thread);
  void run_raw(RawJob job, const void* context);
  void reset_items();
  int64_t next_item();

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
