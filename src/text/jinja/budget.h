// The limits of one rendering. A chat template is untrusted input, so every loop, every string that is made
// and every level of recursion is charged against a Budget.
#pragma once

#include <cstdint>

#include "cairn/status.h"

namespace cairn::jinja {

class Budget {
 public:
  // A step is about one node of the syntax tree or 16 bytes of text that are read: some 50 ns. Real
  // templates take a few hundred steps a message.
  static constexpr uint64_t kMaxSteps = 5'000'000;
  // Bytes of strings and lists ever made: real templates copy a message's text about ten times.
  static constexpr uint64_t kMaxBytes = 64ull << 20;
  static constexpr uint64_t kBytesPerInputByte = 32;
  // Python, for which templates are written, stops near here too.
  static constexpr int kMaxDepth = 400;

  explicit Budget(uint64_t input_bytes)
      : steps_left_(kMaxSteps + input_bytes), bytes_left_(kMaxBytes + kBytesPerInputByte * input_bytes) {}

  Status spend(uint64_t steps) {
    if (steps > steps_left_) return resource_exhausted("the chat template does too much work; it may loop");
    steps_left_ -= steps;
    return {};
  }

  // Call before making something whose size the template chooses.
  Status allocate(uint64_t bytes) {
    if (bytes > bytes_left_) return resource_exhausted("the chat template produces too much text");
    bytes_left_ -= bytes;
    return spend(bytes / 16);
  }

  [[nodiscard]] int depth() const { return depth_; }

 private:
  friend class DepthGuard;

  uint64_t steps_left_;
  uint64_t bytes_left_;
  int depth_ = 0;
};

// One level of recursion, for as long as it lives.
class DepthGuard {
 public:
  explicit DepthGuard(Budget& budget) : budget_(budget) { ++budget_.depth_; }
  ~DepthGuard() { --budget_.depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

  [[nodiscard]] Status status() const {
    if (budget_.depth_ <= Budget::kMaxDepth) return {};
    return resource_exhausted("the chat template recurses or nests too deeply");
  }

 private:
  Budget& budget_;
};

}  // namespace cairn::jinja
