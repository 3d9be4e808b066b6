// ThreadPool: fork and join over a fixed set of threads, the caller's included.
//
// Workers spin for a bounded time after each job and then sleep, so an idle pool costs nothing and a busy
// machine is not starved. Every thread that computes, the caller's too, runs a job under one floating-point
// mode (round to nearest, denormals kept); its own mode is restored afterwards.
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
  // calls have returned.
  template <typename Job>
  void run(const Job& job) {
    run_as(job, Helpers::kAll);
  }

  // Calls body(item, thread) for item = 0 ... count - 1, items claimed one by one in ascending order by
  // whoever is free: a thread that has no core to run on delays nobody. Results must not depend on which
  // thread computes an item.
  template <typename Body>
  void for_each(int64_t count, const Body& body) {
    if (count <= 0) return;
    reset_items();
    const auto job = [&](int thread) {
      for (int64_t item = next_item(); item < count; item = next_item()) body(item, thread);
    };
    run_as(job, Helpers::kThoseInTime);
  }

 private:
  using RawJob = void (*)(const void* context, int thread);
  // Whether a job needs every thread, or only those that arrive before the caller has run out of items.
  enum class Helpers : uint8_t { kAll, kThoseInTime };
  template <typename Job>
  void run_as(const Job& job, Helpers helpers) {
    run_raw([](const void* context, int thread) { (*static_cast<const Job*>(context))(thread); }, &job,
            helpers);
  }
  void run_raw(RawJob job, const void* context, Helpers helpers);
  void reset_items();
  int64_t next_item();

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
