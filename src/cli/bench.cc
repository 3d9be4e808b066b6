#include "cli/bench.h"

#include "cli/bench_cache.h"
#include "cli/bench_speed.h"
#include "cli/console.h"

namespace cairn {
namespace {

Status run_subjects(const BenchOptions& options, Console& console) {
  if (options.subject != BenchSubject::kCache) CAIRN_RETURN_IF_ERROR(bench_speed(options, console));
  if (options.subject != BenchSubject::kSpeed) CAIRN_RETURN_IF_ERROR(bench_cache(options, console));
  return {};
}

}  // namespace

ExitCode run_bench(const BenchOptions& options, Console& console) {
  const Status status = run_subjects(options, console);
  if (!status.ok()) console.error(status.message());
  return exit_code_of(status);
}

}  // namespace cairn
