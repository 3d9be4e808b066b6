// Opening a model for a command: the command line's options as those of engine/open_engine.h, and weights with a
// progress bar.
#pragma once

#include <cstdint>
#include <string>

#include "cairn/status.h"
#include "cli/common_options.h"
#include "engine/open_engine.h"

namespace cairn {

class Console;

// The model's file or folder: -m, else the demo model's file. kNotFound where there is neither.
Result<std::string> model_path(const CommonOptions& options);

// What the command line asks for, with an engine for `max_sequences` sequences.
[[nodiscard]] OpenOptions open_options(const CommonOptions& options, int64_t max_sequences = 1);

struct OpenModel : LoadedModel {
  std::string path;
  uint64_t load_ns = 0;
};

// load_model with a progress bar. Errors: those of load_model and model_path.
Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences = 1);
// The same where the caller chooses path and options (verify compares several).
Result<OpenModel> open_model(const std::string& path, OpenOptions options, Console& console);

// One line of what was chosen, for standard error: model, instruction set, threads, context, cache.
[[nodiscard]] std::string describe_choices(const OpenModel& opened, const EngineOptions& options,
                                           const KvCache& cache);

}  // namespace cairn
