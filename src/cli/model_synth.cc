#include "cli/model_synth.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "cli/console.h"
#include "cli/table.h"

namespace cairn {

ExitCode run_model_synth(const ModelSynthOptions& options, Console& console) {
  SynthOptions synth = options.synth;
  const auto report = [&] {
    ProgressBar bar(console, "writing");
    synth.progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
    return write_synthetic_model(synth, options.path);
  }();
  if (!report.ok()) {
    console.error(report.status().message());
    return exit_code_of(report.status());
  }
  for (const std::string& note : report->notes) console.note(note);
  console.note(fmt::format("{}: {} with {} parameters, {}", printable_path(options.path), synth.shape,
                           grouped(report->parameter_count), human_bytes(report->file_bytes)));
  return ExitCode::kDone;
}

}  // namespace cairn
