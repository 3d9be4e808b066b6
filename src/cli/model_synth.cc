#include "cli/model_synth.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "cli/console.h"
#include "cli/table.h"

namespace cairn {

Status run_model_synth(const ModelSynthOptions& options, Console& console) {
  SynthOptions synth = options.synth;
  ProgressBar bar(console, "writing");
  synth.progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
  CAIRN_ASSIGN_OR_RETURN(const SynthReport report, write_synthetic_model(synth, options.path));
  for (const std::string& note : report.notes) console.note(note);
  console.note(fmt::format("{}: {} with {} parameters, {}", printable_path(options.path), synth.shape,
                           grouped(report.parameter_count), human_bytes(report.file_bytes)));
  return {};
}

}  // namespace cairn
