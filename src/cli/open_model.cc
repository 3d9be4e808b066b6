#include "cli/open_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/clock.h"
#include "base/machine.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/demo_model.h"
#include "cli/table.h"
#include "engine/memory_plan.h"
#include "model/model_plan.h"
#include "model/weight_sizes.h"

namespace cairn {
namespace {

using Accept = std::function<Status(const ModelPlan&)>;

Status refuse_weights(const WeightSizes& sizes, const std::string& path) {
  const uint64_t available_bytes = memory_facts().available_bytes;
  if (available_bytes == 0 || sizes.loaded_bytes() <= available_bytes) return {};
  return resource_exhausted(fmt::format(
      "{} needs at least {} of memory, and {} are free: close other programs, or take a smaller model",
      printable_path(path), human_bytes(sizes.loaded_bytes()), human_bytes(available_bytes)));
}

Result<OpenModel> open_if(const std::string& path, const Kernels& kernels, int thread_count, Console& console,
                          const Accept& accept) {
  OpenModel opened{.path = path, .kernels = &kernels, .threads = std::make_unique<ThreadPool>(thread_count)};
  ProgressBar bar(console, "loading");
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  CAIRN_ASSIGN_OR_RETURN(opened.model,
                         Model::load(path, kernels, *opened.threads,
                                     {.accept = accept, .progress = [&](uint64_t done, uint64_t total) {
                                        bar.update(done, total);
                                      }}));
  opened.load_ns = clock.now_ns() - begin_ns;
  return opened;
}

}  // namespace

Result<std::string> model_path(const CommonOptions& options) {
  if (options.model_path.has_value()) return *options.model_path;
  return find_demo_model(demo_model_places());
}

Result<const Kernels*> chosen_kernels(const CommonOptions& options) {
  if (!options.isa.has_value()) return select_kernels(std::nullopt);
  return select_kernels(isa_name(*options.isa));
}

int chosen_thread_count(const CommonOptions& options) {
  return options.thread_count.value_or(usable_core_count());
}

Result<int64_t> chosen_context(const CommonOptions& options, const Config& config) {
  if (!options.context.has_value()) return std::min(config.context_length, kDefaultContext);
  if (*options.context <= config.context_length) return *options.context;
  return invalid_argument(fmt::format("--context {} is more than this model was made for: at most {}",
                                      *options.context, config.context_length));
}

Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences) {
  CAIRN_ASSIGN_OR_RETURN(const Kernels* kernels, chosen_kernels(options));
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path(options));
  const int thread_count = chosen_thread_count(options);
  return open_if(path, *kernels, thread_count, console, [&](const ModelPlan& plan) -> Status {
    MemoryWish wish{.thread_count = thread_count};
    CAIRN_ASSIGN_OR_RETURN(wish.engine, engine_options(options, plan.config));
    wish.engine.max_sequences = max_sequences;
    if (!wish.engine.available_bytes.has_value()) return {};
    return refuse_unless_fits({plan.config, weight_sizes(plan)}, wish, *wish.engine.available_bytes);
  });
}

Result<OpenModel> open_model(const std::string& path, const Kernels& kernels, int thread_count,
                             Console& console) {
  return open_if(path, kernels, thread_count, console,
                 [&](const ModelPlan& plan) { return refuse_weights(weight_sizes(plan), path); });
}

Result<EngineOptions> engine_options(const CommonOptions& options, const Config& config) {
  CAIRN_ASSIGN_OR_RETURN(const int64_t context, chosen_context(options, config));
  const uint64_t available_bytes = memory_facts().available_bytes;
  EngineOptions engine{.storage = options.kv_holding,
                       .sharing = options.sharing,
                       .kv_plan = options.kv_plan.value_or(KvPlan()),
                       .context = context,
                       .prefill_chunk = options.prefill_chunk,
                       .pool_bytes = options.kv_memory_bytes};
  if (available_bytes > 0) engine.available_bytes = available_bytes;
  return engine;
}

std::string describe_choices(const OpenModel& opened, const EngineOptions& options, const KvCache& cache) {
  const int threads = opened.threads->thread_count();
  return fmt::format("{} ({}, {}), {}, {} thread{}, context {}, cache {} {} ({})",
                     printable_path(opened.path), opened.model->config().family,
                     human_bytes(opened.model->file_bytes()), isa_name(opened.kernels->isa), threads,
                     threads == 1 ? "" : "s", options.context, kv_storage_kind_name(options.storage),
                     options.kv_plan.text(), human_bytes(cache.pool_bytes()));
}

}  // namespace cairn
