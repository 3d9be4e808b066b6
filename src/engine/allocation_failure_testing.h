// The loop that lets each allocation of an operation fail in turn, and what must be true after each. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <new>
#include <string>

#include "base/allocation_failure_testing.h"
#include "cairn/status.h"

namespace cairn {

// How an operation went whose n-th allocation failed, if it had so many.
struct Attempt {
  Status status;
  bool threw = false;
  bool had_failure = false;
};

// Runs `operation`, which returns a Status.
Attempt attempt(int64_t n, FailingAllocations which, auto&& operation) {
  Attempt result;
  const AllocationFault fault(n, which);
  try {
    result.status = operation();
  } catch (const std::exception&) {
    const SoundAllocations sound;
    result.threw = true;
  }
  result.had_failure = AllocationFault::happened();
  return result;
}

// The operation returned the failure, and did not throw.
inline bool expect_no_throw(const Attempt& attempt) {
  EXPECT_FALSE(attempt.threw) << "an exception left it";
  if (attempt.threw) return false;
  if (attempt.had_failure && attempt.status.ok()) return true;  // it did not need that memory
  if (attempt.had_failure) {
    EXPECT_EQ(attempt.status.code(), StatusCode::kResourceExhausted) << attempt.status.message();
  } else {
    EXPECT_TRUE(attempt.status.ok()) << attempt.status.message();
  }
  return true;
}

// Calls trial(n, which), which returns its Attempt, until the operation has no n-th allocation. The first
// failures one by one; of thousands, ever fewer.
void for_each_failure(auto&& trial) {
  constexpr int64_t kOneByOne = 100;
  const auto next = [](int64_t n) { return n < kOneByOne ? n + 1 : n + n / 10; };
  for (const FailingAllocations which : {FailingAllocations::kOne, FailingAllocations::kAllFromThere}) {
    for (int64_t n = 1; !::testing::Test::HasFailure(); n = next(n)) {
      SCOPED_TRACE("allocation " + std::to_string(n) +
                   (which == FailingAllocations::kOne ? " fails" : " and all after it fail"));
      if (!trial(n, which).had_failure) break;
      ASSERT_LT(n, 10'000'000);
    }
  }
}

}  // namespace cairn
