// FloatMode: for as long as it lives, its thread computes under the one floating-point mode of all kernels:
// round to nearest, denormals kept, no traps. Its destructor restores the thread's own mode. Results must not
// depend on what the host program has set.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cairn {

class FloatMode {
 public:
#if defined(__x86_64__)
  FloatMode() : saved_(_mm_getcsr()) { _mm_setcsr(kMaskedNearest); }
  ~FloatMode() { _mm_setcsr(static_cast<uint32_t>(saved_)); }
#elif defined(__aarch64__)
  FloatMode() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
    __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
  }
  ~FloatMode() { __asm__ volatile("msr fpcr, %0" : : "r"(saved_)); }
#endif
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  static constexpr uint32_t kMaskedNearest = 0x1F80;  // MXCSR: all exceptions masked, nothing else
  uint64_t saved_ = 0;
};

}  // namespace cairn
