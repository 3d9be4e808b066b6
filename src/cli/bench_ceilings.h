// The machine's ceilings as a bench measures them, in the same run as what it compares with them.
#pragma once

#include <vector>

#include "base/memory.h"
#include "cairn/status.h"
#include "kernels/isa.h"

namespace cairn {

class ThreadPool;

// Reads and multiplies; keeps nothing but a buffer that is larger than any cache.
class Ceilings {
 public:
  static Result<Ceilings> create(ThreadPool& threads, Isa isa);

  // Bytes a second, of the best of all read patterns (1, 2, 4, ... streams a thread, huge pages).
  [[nodiscard]] double read_bandwidth() const;
  // Operations a second of a loop that has all operands in registers (a multiply-add is two).
  [[nodiscard]] double matrix_peak() const;

 private:
  Ceilings(ThreadPool& threads, Isa isa, PageMemory buffer)
      : threads_(&threads), isa_(isa), buffer_(std::move(buffer)) {}

  ThreadPool* threads_;
  Isa isa_;
  PageMemory buffer_;
};

// The middle value (of an even number, the lower middle).
[[nodiscard]] double median(std::vector<double> values);

}  // namespace cairn
