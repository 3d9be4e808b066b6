// For as long as it lives, this process may map only `bytes` more than it has: a huge allocation that a
// damaged file provokes fails at once instead of going unnoticed.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "base/sanitizer_testing.h"

namespace cairn {

class MemoryLimit {
 public:
  explicit MemoryLimit(uint64_t bytes) {
    // The sanitizers' shadow memory is larger than any limit; they have limits of their own.
    if (kSanitized) return;
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    EXPECT_EQ(::getrlimit(RLIMIT_AS, &before_), 0);
    struct rlimit limit = before_;
    limit.rlim_cur = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) + bytes;
    set_ = ::setrlimit(RLIMIT_AS, &limit) == 0;
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
  ~MemoryLimit() {
    if (set_) ::setrlimit(RLIMIT_AS, &before_);
  }

 private:
  struct rlimit before_{};
  bool set_ = false;
};

}  // namespace cairn
