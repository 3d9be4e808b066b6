#include "cli/bench.h"

#include <utility>

#include "cli/bench_cache.h"
#include "cli/bench_codecs.h"
#include "cli/bench_depth.h"
#include "cli/bench_scheduler.h"
#include "cli/bench_shared.h"
#include "cli/bench_speed.h"
#include "cli/console.h"

namespace cairn {
namespace {}  // namespace

Status run_bench(const BenchOptions& options, Console& console) {
  using Run = Status (*)(const BenchOptions&, Console&);
  constexpr std::pair<BenchSubject, Run> kSubjects[] = {
      {BenchSubject::kSpeed, bench_speed},   {BenchSubject::kCache, bench_cache},
      {BenchSubject::kDepth, bench_depth},   {BenchSubject::kShared, bench_shared},
      {BenchSubject::kCodecs, bench_codecs}, {BenchSubject::kScheduler, bench_scheduler}};
  for (const auto& [subject, run] : kSubjects) {
    const bool is_one_of_all = options.subject == BenchSubject::kAll && subject != BenchSubject::kScheduler &&
                               (subject != BenchSubject::kCodecs || options.text_file.has_value());
    if (options.subject != subject && !is_one_of_all) continue;
    CAIRN_RETURN_IF_ERROR(run(options, console));
  }
  return {};
}

}  // namespace cairn
