// Clock: the source of time. It is passed in, so that a test or a replay sets the time. No result depends on
// it; it only measures.
#pragma once

#include <chrono>
#include <cstdint>

namespace cairn {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual uint64_t now_ns() const = 0;  // since some fixed moment; never goes back
};

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] uint64_t now_ns() const override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  }
};

// Stands still until it is advanced.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] uint64_t now_ns() const override { return now_ns_; }
  void advance_ns(uint64_t ns) { now_ns_ += ns; }

 private:
  uint64_t now_ns_ = 0;
};

}  // namespace cairn
