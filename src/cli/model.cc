// cairn model and cairn model synth.
#include <fmt/format.h>

#include <filesystem>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_summary.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"

namespace cairn {
namespace {

std::string metadata_text(const ModelFile& file, OutputForm form) {
  if (form == OutputForm::kJson) {
    boost::json::object object;
    for (const auto& [key, value] : file.metadata()) object[json_text(key)] = json_text(value);
    return json_line(object);
  }
  std::string text;
  for (const auto& [key, value] : file.metadata()) text += fmt::format("{} = {}\n", key, value);
  return text;
}

std::string path_text(const std::string& path, OutputForm form) {
  return form == OutputForm::kJson ? json_line({{"path", json_text(path)}}) : path + "\n";
}

}  // namespace

Status run_model_info(const ModelInfoOptions& options, Console& console) {
  using What = ModelInfoOptions::What;
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path({.model_path = options.model_path}));
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  if (options.what == What::kPath) {
    console.write(path_text(path, options.output_form));
  } else if (options.what == What::kMetadata) {
    console.write_foreign(metadata_text(file, options.output_form));
  } else {
    const ModelSummary summary = summarise(file, path, options.tokenizer);
    console.write(options.output_form == OutputForm::kJson ? summary_json(summary) : summary_text(summary));
  }
  return {};
}

Result<ExitCode> run_model_synth(const ModelSynthOptions& options, Console& console) {
  const std::string path = printable_path(options.path);
  std::error_code ignored;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(options.path, ignored));
  if (exists && options.existing == ModelSynthOptions::Existing::kIsKept) {
    return invalid_argument(
        fmt::format("{} exists already: choose another name, or replace it with --force", path));
  }
  const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  SynthOptions synth = options.synth;
  ProgressBar bar(console, "writing");
  synth.progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
  synth.must_stop = [&] { return interrupt.is_raised(); };
  const Result<SynthReport> report = write_synthetic_model(synth, options.path);
  if (interrupt.is_raised() && !report.ok()) {
    console.note(fmt::format("stopped: {} is not written", path));
    return ExitCode::kInterrupted;
  }
  if (!report.ok()) return report.status();
  for (const std::string& note : report->notes) console.note(note);
  console.note(fmt::format("{}: {} with {} parameters, {}", path, synth.shape,
                           grouped(report->parameter_count), human_bytes(report->file_bytes)));
  return ExitCode::kDone;
}

}  // namespace cairn
