// for_rows: calls body(row) for each row of a step, over the threads where that is faster.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace cairn {

template <typename Body>
void for_rows(ThreadPool& threads, int64_t rows, const Body& body) {
  constexpr int64_t kFewRows = 4;  // not worth waking the threads
  if (rows < kFewRows) {
    for (int64_t row = 0; row < rows; ++row) body(row);
  } else {
    threads.for_each(rows, [&](int64_t row, int) { body(row); });
  }
}

}  // namespace cairn
