// Opening a model for a command: kernels by --isa, threads by -t, weights with a progress bar, then engines.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/thread_pool.h"
#include "cairn/status.h"
#include "cli/common_options.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn {

class Console;

// The model's file or folder: -m, else the demo model's file. kNotFound where there is neither.
Result<std::string> model_path(const CommonOptions& options);

// The table that --isa asks for, else the best of this machine. kUnsupported: this machine lacks it.
Result<const Kernels*> chosen_kernels(const CommonOptions& options);
// -t, else all usable physical cores.
[[nodiscard]] int chosen_thread_count(const CommonOptions& options);
// -c, else the model's own context up to kDefaultContext. kInvalidArgument: more than the model was made for.
Result<int64_t> chosen_context(const CommonOptions& options, const Config& config);

struct OpenModel {
  std::string path;
  const Kernels* kernels = nullptr;
  std::unique_ptr<ThreadPool> threads;
  std::shared_ptr<const Model> model;
  uint64_t load_ns = 0;
};

// Loads the model for the given kernels and a new pool of threads, with a progress bar. kResourceExhausted,
// before anything is loaded, where the model and an engine for `max_sequences` sequences would not fit into
// the memory that is free: says what takes how much, and three ways out.
Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences = 1);
// The same with kernels and a number of threads of the caller's choice (verify and bench compare several),
// for the weights alone.
Result<OpenModel> open_model(const std::string& path, const Kernels& kernels, int thread_count,
                             Console& console);

// The options of an engine for one sequence as the command line asks for it, with what is free now as the
// limit for the cache.
Result<EngineOptions> engine_options(const CommonOptions& options, const Config& config);

// One line of what was chosen, for standard error: model, instruction set, threads, context, cache.
[[nodiscard]] std::string describe_choices(const OpenModel& opened, const EngineOptions& options,
                                           const KvCache& cache);

}  // namespace cairn
