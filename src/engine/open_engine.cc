#include "engine/open_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/machine.h"
#include "engine/memory_plan.h"
#include "engine/thread_count.h"
#include "model/model_plan.h"
#include "model/weight_sizes.h"

namespace cairn {
namespace {

// What the caller decides by the model is kept in `options`.
Status accept(const ModelPlan& plan, const Tokenizer& tokenizer, int thread_count, OpenOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(EngineOptions engine, engine_options_for(plan.config, options));
  if (options.prepare) CAIRN_RETURN_IF_ERROR(options.prepare(plan.config, tokenizer, engine));
  options.engine = engine;
  if (!engine.available_bytes.has_value()) return {};
  return refuse_unless_fits({.config = plan.config, .weights = weight_sizes(plan)},
                            {.engine = engine, .thread_count = thread_count}, *engine.available_bytes);
}

}  // namespace

Status check_context(const Config& config, int64_t context) {
  if (context >= 1 && context <= config.context_length) return {};
  return invalid_argument(
      fmt::format("a context of {} positions is not possible: this model was made for 1 to {}", context,
                  config.context_length));
}

Result<int64_t> context_for(const Config& config, std::optional<int64_t> asked) {
  const int64_t context = asked.value_or(std::min(config.context_length, kDefaultContext));
  CAIRN_RETURN_IF_ERROR(check_context(config, context));
  return context;
}

Result<EngineOptions> engine_options_for(const Config& config, const OpenOptions& options) {
  EngineOptions engine = options.engine;
  CAIRN_ASSIGN_OR_RETURN(engine.context, context_for(config, options.context));
  const uint64_t available_bytes = memory_facts().available_bytes;
  if (available_bytes > 0) engine.available_bytes = available_bytes;
  return engine;
}

Result<LoadedModel> load_model(const std::string& path, OpenOptions options) {
  LoadedModel loaded;
  CAIRN_ASSIGN_OR_RETURN(loaded.kernels, select_kernels(options.isa));
  CAIRN_ASSIGN_OR_RETURN(const int thread_count, checked_thread_count(options.thread_count));
  loaded.threads = std::make_unique<ThreadPool>(thread_count);
  const ModelLoadOptions load{
      .accept = [&](const ModelPlan& plan,
                    const Tokenizer& tokenizer) { return accept(plan, tokenizer, thread_count, options); },
      .progress = options.on_load_progress};
  CAIRN_ASSIGN_OR_RETURN(loaded.model, Model::load(path, *loaded.kernels, *loaded.threads, load));
  CAIRN_ASSIGN_OR_RETURN(loaded.engine_options, engine_options_for(loaded.model->config(), options));
  return loaded;
}

}  // namespace cairn
