// cairn cache verify: every block is read and checked.
#include <fmt/format.h>

#include "cli/cache.h"
#include "cli/cache_places.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"

namespace cairn {

Result<ExitCode> run_cache_verify(const CacheOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_kept_blocks(options, IfAbsent::kRefuse));
  const BlockVerifyReport report = [&] {
    const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
    LongRun run(console, interrupt, "checking");
    return verify_blocks(*store, [&](uint64_t done, uint64_t of) {
      run.update(done, of);
      return !run.is_stopped();
    });
  }();
  std::string words =
      fmt::format("{} checked: {}", block_count_text(report.checked_count),
                  report.bad_count == 0 ? std::string("all good")
                                        : fmt::format("{} bad", block_count_text(report.bad_count)));
  if (report.foreign_count > 0) {
    words += fmt::format("; {} of another version of Cairn, of which only the checksums were looked at",
                         block_count_text(report.foreign_count));
  }
  console.write(words + "\n");
  CAIRN_RETURN_IF_ERROR(report.erased);
  if (report.bad_count > 0)
    console.note("what was bad is erased, and will be computed again where it is needed");
  if (!report.is_complete) console.note("stopped: the rest was not looked at");
  if (report.bad_count > 0) return ExitCode::kFailed;
  return report.is_complete ? ExitCode::kDone : ExitCode::kInterrupted;
}

}  // namespace cairn
