#include "kernels/matmul/matmul.h"

#include <algorithm>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

// Panels of one work item. Few rows: eight, the number of streams of weights that suits memory. Many rows: twice that, so
// that the rows, which do not fit in second-level cache, are read half as often.
int64_t item_panels(const Operand& x) { return x.row_count > 64 ? kSumsPanels : 8; }

float* thread_work(const Operand& x, int thread, std::byte* memory) {
  std::byte* after_operand = memory + operand_bytes(x.row_count, x.columns);
  return reinterpret_cast<float*>(after_operand) + thread * kWorkFloats;
}

int64_t item_count(const PackedMatrix& w, int64_t panels) { return (w.panel_count() + panels - 1) / panels; }

void run_jobs(const Kernels& kernels, ThreadPool& threads, const Operand& x, std::span<const MatmulJob> jobs,
              std::byte* memory) {
  const int64_t groups = (x.row_count + kOperandRows - 1) / kOperandRows;
  const int64_t panels = item_panels(x);
  int64_t items = 0;
  for (const MatmulJob& job : jobs) {
    if (kernels.operand_kind(job.w->type) == x.kind) items += item_count(*job.w, panels);
  }
  threads.for_each(items, [&](int64_t item, int thread) {
    for (const MatmulJob& job : jobs) {
      if (kernels.operand_kind(job.w->type) != x.kind) continue;
      const int64_t of_job = item_count(*job.w, panels);
      if (item >= of_job) {
        item -= of_job;
        continue;
      }
      const int64_t first = item * panels;
      const int64_t count = std::min(panels, job.w->panel_count() - first);
      float* work = groups > 1 ? thread_work(x, thread, memory) : nullptr;
      return kernels.matmul(*job.w, x, {first, count, 0, groups, work}, job.out.data, job.out.width);
    }
  });
}

void prepare(const Kernels& kernels, ThreadPool& threads, const Operand& x) {
  if (x.kind == OperandKind::kFloat) return;
  const int64_t groups = (x.row_count + kOperandRows - 1) / kOperandRows;
  if (groups == 1) return kernels.prepare_group(x, 0);
  threads.for_each(groups, [&](int64_t group, int) { kernels.prepare_group(x, group); });
}

}  // namespace

int64_t matmul_bytes(int64_t rows, int64_t columns, int thread_count) {
  const int64_t work = rows > kOperandRows ? thread_count * kWorkFloats : 0;
  return operand_bytes(rows, columns) + work * int64_t{sizeof(float)};
}

void matmul(const Kernels& kernels, ThreadPool& threads, const Rows& x, std::span<const MatmulJob> jobs,
            std::byte* memory) {
  for (const MatmulJob& job : jobs) {
    DCHECK(job.w->columns == x.width && job.out.width == job.w->rows && job.out.count == x.count);
  }
  for (const OperandKind kind : kAllOperandKinds) {
    const auto wanted = [&](const MatmulJob& job) { return kernels.operand_kind(job.w->type) == kind; };
    if (std::ranges::none_of(jobs, wanted)) continue;
    const Operand operand = make_operand(kind, x.data, x.count, x.width, x.width, memory);
    prepare(kernels, threads, operand);
    run_jobs(kernels, threads, operand, jobs, memory);
  }
}

}  // namespace cairn
