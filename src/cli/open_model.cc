#include "cli/open_model.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/demo_model.h"
#include "cli/table.h"

namespace cairn {

Result<std::string> model_path(const CommonOptions& options) {
  if (options.model_path.has_value()) return *options.model_path;
  return find_demo_model(demo_model_places());
}

OpenOptions open_options(const CommonOptions& options, int64_t max_sequences) {
  OpenOptions open{.thread_count = options.thread_count,
                   .context = options.context,
                   .engine = {.holding = options.kv_holding,
                              .sharing = options.sharing,
                              .kv_plan = options.kv_plan.value_or(KvPlan()),
                              .max_sequences = max_sequences,
                              .prefill_chunk = options.prefill_chunk,
                              .pool_bytes = options.kv_memory_bytes}};
  if (options.isa.has_value()) open.isa = isa_name(*options.isa);
  return open;
}

Result<OpenModel> open_model(const std::string& path, OpenOptions options, Console& console) {
  ProgressBar bar(console, "loading");
  options.on_load_progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  CAIRN_ASSIGN_OR_RETURN(LoadedModel loaded, load_model(path, options));
  return OpenModel{std::move(loaded), path, clock.now_ns() - begin_ns};
}

Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences) {
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path(options));
  return open_model(path, open_options(options, max_sequences), console);
}

std::string describe_choices(const OpenModel& opened, const EngineOptions& options, const KvCache& cache) {
  const int threads = opened.threads->thread_count();
  return fmt::format("{} ({}, {}), {}, {} thread{}, context {}, cache {} {} ({})",
                     printable_path(opened.path), opened.model->config().family,
                     human_bytes(opened.model->file_bytes()), isa_name(opened.kernels->isa), threads,
                     threads == 1 ? "" : "s", options.context, kv_holding_name(options.holding),
                     options.kv_plan.text(), human_bytes(cache.pool_bytes()));
}

}  // namespace cairn
