// Matrix products over a thread pool: which thread computes which tile. Tiles may be cut in any way; results
// do not change.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernels.h"
#include "kernels/rows.h"

namespace cairn {

class ThreadPool;

struct MatmulJob {
  const PackedMatrix* w = nullptr;
  Rows out;  // as many as x has, w.rows wide
};

// The work memory of a product of up to `rows` rows of `columns`: the operand, and what each thread needs (the same
// for every instruction set, so that plans are; only AMX touches it).
[[nodiscard]] int64_t matmul_bytes(int64_t rows, int64_t columns, int thread_count);

// out = x * w^T for each job; all jobs share x, whose width is the columns of each w. `memory`: matmul_bytes(
// x.count, x.width, thread count), 64-byte aligned.
void matmul(const Kernels& kernels, ThreadPool& threads, const Rows& x, std::span<const MatmulJob> jobs,
            std::byte* memory);

}  // namespace cairn
