// Lets allocations fail: in a test binary that replaces operator new (allocation_count_testing.h), the n-th
// allocation of this thread, or all from the n-th on, throw std::bad_alloc (or return null where they may).
#pragma once

#include <cstdint>

namespace cairn {

enum class FailingAllocations : uint8_t { kOne, kAllFromThere };

namespace allocation_failure_testing {

struct Fault {
  bool is_armed = false;
  int64_t left = 0;  // allocations up to the one that fails, itself included
  FailingAllocations which = FailingAllocations::kOne;
  bool happened = false;
};
inline thread_local Fault t_fault;

// Called by operator new.
inline bool next_allocation_fails() noexcept {
  Fault& fault = t_fault;
  if (!fault.is_armed) return false;
  if (fault.left > 1) {
    --fault.left;
    return false;
  }
  fault.happened = true;
  if (fault.which == FailingAllocations::kOne) fault.is_armed = false;
  return true;
}

}  // namespace allocation_failure_testing

// While it lives. `n` counts from 1.
class AllocationFault {
 public:
  AllocationFault(int64_t n, FailingAllocations which) {
    allocation_failure_testing::t_fault = {.is_armed = true, .left = n, .which = which};
  }
  AllocationFault(const AllocationFault&) = delete;
  AllocationFault& operator=(const AllocationFault&) = delete;
  ~AllocationFault() { allocation_failure_testing::t_fault.is_armed = false; }

  [[nodiscard]] static bool happened() { return allocation_failure_testing::t_fault.happened; }
};

// While it lives, allocations succeed and are not counted: what a test's own callbacks need.
class SoundAllocations {
 public:
  SoundAllocations() : was_armed_(allocation_failure_testing::t_fault.is_armed) {
    allocation_failure_testing::t_fault.is_armed = false;
  }
  SoundAllocations(const SoundAllocations&) = delete;
  SoundAllocations& operator=(const SoundAllocations&) = delete;
  ~SoundAllocations() { allocation_failure_testing::t_fault.is_armed = was_armed_; }

 private:
  bool was_armed_;
};

}  // namespace cairn
