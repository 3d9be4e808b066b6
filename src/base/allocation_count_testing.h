// Counts what a test binary takes from the heap, and lets it fail where a test asks for that
// (allocation_failure_testing.h): operator new is replaced. So this header is included by exactly one file of a
// test binary (it defines what a program may have only once).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/allocation_failure_testing.h"

namespace cairn::allocation_count_testing {

inline std::atomic<uint64_t> g_allocation_count{0};

// Null if there is no memory.
inline void* counted_or_null(std::size_t bytes, std::size_t alignment) noexcept {
  g_allocation_count.fetch_add(1, std::memory_order_relaxed);
  if (allocation_failure_testing::next_allocation_fails()) return nullptr;
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    memory = std::malloc(bytes == 0 ? 1 : bytes);
  } else if (::posix_memalign(&memory, alignment, bytes) != 0) {
    memory = nullptr;
  }
  return memory;
}

inline void* counted(std::size_t bytes, std::size_t alignment) {
  void* const memory = counted_or_null(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Not inlined: gcc would see free() on memory from an operator new, and warn.
[[gnu::noinline]] inline void release(void* memory) noexcept { std::free(memory); }

}  // namespace cairn::allocation_count_testing

void* operator new(std::size_t bytes) { return cairn::allocation_count_testing::counted(bytes, 1); }
void* operator new[](std::size_t bytes) { return cairn::allocation_count_testing::counted(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t a) {
  return cairn::allocation_count_testing::counted(bytes, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t bytes, std::align_val_t a) {
  return cairn::allocation_count_testing::counted(bytes, static_cast<std::size_t>(a));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return cairn::allocation_count_testing::counted_or_null(bytes, 1);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return cairn::allocation_count_testing::counted_or_null(bytes, 1);
}
void operator delete(void* memory) noexcept { cairn::allocation_count_testing::release(memory); }
void operator delete[](void* memory) noexcept { cairn::allocation_count_testing::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { cairn::allocation_count_testing::release(memory); }
void operator delete[](void* memory, std::size_t) noexcept {
  cairn::allocation_count_testing::release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  cairn::allocation_count_testing::release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  cairn::allocation_count_testing::release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  cairn::allocation_count_testing::release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  cairn::allocation_count_testing::release(memory);
}

namespace cairn {

// Since the program's start, on all threads.
inline uint64_t allocation_count() {
  return allocation_count_testing::g_allocation_count.load(std::memory_order_relaxed);
}

}  // namespace cairn
