#include "cli/open_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "base/machine.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/demo_model.h"
#include "cli/table.h"

namespace cairn {
namespace {

// Bytes of the file, of all parts of a split one's folder mates, or of a folder's files: what the weights
// take at least. 0 where that cannot be told; opening will say why.
uint64_t weight_bytes_at_least(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    const auto bytes = std::filesystem::file_size(path, error);
    return error ? 0 : bytes;
  }
  uint64_t sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() == ".safetensors") sum += entry.file_size(error);
  }
  return error ? 0 : sum;
}

Status check_memory(const std::string& path) {
  const uint64_t needed_bytes = weight_bytes_at_least(path);
  const uint64_t available_bytes = memory_facts().available_bytes;
  if (available_bytes == 0 || needed_bytes <= available_bytes) return {};
  return resource_exhausted(fmt::format(
      "{} needs at least {} of memory, and {} are free: close other programs, or take a smaller model",
      printable_path(path), human_bytes(needed_bytes), human_bytes(available_bytes)));
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

Result<OpenModel> open_model(const CommonOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const Kernels* kernels, chosen_kernels(options));
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path(options));
  return open_model(path, *kernels, chosen_thread_count(options), console);
}

Result<OpenModel> open_model(const std::string& path, const Kernels& kernels, int thread_count,
                             Console& console) {
  CAIRN_RETURN_IF_ERROR(check_memory(path));
  OpenModel opened{.path = path, .kernels = &kernels, .threads = std::make_unique<ThreadPool>(thread_count)};
  ProgressBar bar(console, "loading");
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  CAIRN_ASSIGN_OR_RETURN(
      opened.model,
      Model::load(path, kernels, *opened.threads,
                  {.progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); }}));
  opened.load_ns = clock.now_ns() - begin_ns;
  return opened;
}

Result<EngineOptions> engine_options(const CommonOptions& options, const Model& model) {
  CAIRN_ASSIGN_OR_RETURN(const int64_t context, chosen_context(options, model.config()));
  const uint64_t available_bytes = memory_facts().available_bytes;
  EngineOptions engine{.holding = options.kv_holding,
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
                     threads == 1 ? "" : "s", options.context, kv_holding_name(options.holding),
                     options.kv_plan.text(), human_bytes(cache.pool_bytes()));
}

}  // namespace cairn
