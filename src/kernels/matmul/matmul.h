// Matrix products over a thread pool: which thread computes which tile. Tiles may be cut in any way; results
// do not change.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernels.h"

namespace cairn {

class ThreadPool;

struct MatmulJob {
  const PackedMatrix* w = nullptr;
  float* out = nullptr;  // [rows][stride]
  int64_t stride = 0;
};

struct FloatMatrix {
  const float* data = nullptr;  // [rows][stride], `columns` of them used
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;
};

// The work memory of a product of up to `rows` rows of `columns`: the operand, and each thread's sums.
[[nodiscard]] int64_t matmul_bytes(int64_t rows, int64_t columns, int thread_count);

// out = x * w^T for each job; all jobs share x, whose columns are those of each w. `memory`: matmul_bytes(
// x.rows, x.columns, thread count), 64-byte aligned.
void matmul(const Kernels& kernels, ThreadPool& threads, const FloatMatrix& x,
            std::span<const MatmulJob> jobs, std::byte* memory);

}  // namespace cairn
