#include "engine/open_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/machine.h"
#include "engine/drafts/load_drafter.h"
#include "engine/layer_visibility.h"
#include "engine/memory_plan.h"
#include "engine/thread_count.h"
#include "model/model_plan.h"
#include "model/weight_sizes.h"

namespace cairn {
namespace {

// In a text without end all must be forgotten some time.
Status check_endless(const Config& config, std::span<const Visibility> layers) {
  if (config.learned_positions) {
    return invalid_argument(fmt::format(
        "a text without end is not possible: this model has a table of {} positions", config.context_length));
  }
  const auto seeing_all = std::ranges::find_if(layers, &Visibility::sees_all);
  if (seeing_all == layers.end()) return {};
  return invalid_argument(fmt::format(
      "a text without end is not possible: layer {} keeps all positions; give every layer a window, "
      "as in `kv_plan` sinks=4,window={}",
      seeing_all - layers.begin(), endless_retention(config.context_length).window));
}

Status too_far(const Config& config, int64_t reach) {
  return invalid_argument(fmt::format(
      "sinks and window are {} positions together, more than the {} that this model was made for: "
      "take fewer, or allow it with `extend_context` (then text gets worse)",
      reach, config.context_length));
}

// How far RoPE must reach, if all fits. What the caller decides by the model is kept in `options`.
Result<int64_t> accept(const ModelSizes& model, const Tokenizer& tokenizer, int thread_count,
                       OpenOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(EngineOptions engine, engine_options_for(model.config, options));
  if (options.prepare) CAIRN_RETURN_IF_ERROR(options.prepare(model.config, tokenizer, engine));
  options.engine = engine;
  // They stay, also where a settled RoPE is good for less (behind a window).
  options.context = engine.context;
  options.kv_plan = engine.kv_plan;
  if (engine.available_bytes.has_value()) {
    CAIRN_RETURN_IF_ERROR(
        refuse_unless_fits(model, {.engine = engine, .thread_count = thread_count}, *engine.available_bytes));
  }
  CAIRN_ASSIGN_OR_RETURN(const auto layers, layer_visibility(model.config, engine.kv_plan, engine.context));
  return largest_reach(layers, engine.context);
}

}  // namespace

Visibility endless_retention(int64_t reach) {
  Visibility seen = kEndlessRetention;
  seen.window = std::max<int64_t>(1, std::min(seen.window, reach - seen.sinks));
  return seen;
}

KvPlan default_kv_plan(const Config& config, std::optional<int64_t> context) {
  const bool has_windows =
      std::ranges::all_of(config.layers, [](const LayerConfig& layer) { return layer.window > 0; });
  if (context != kEndless || has_windows) return KvPlan();
  return KvPlan().with_retention(endless_retention(config.context_length));
}

Status check_context(const Config& config, const KvPlan& plan, int64_t context, ContextLimit limit) {
  const bool can_go_on = !config.learned_positions;  // a table of positions has an end
  const int64_t longest = limit == ContextLimit::kNone && can_go_on ? kEndless : config.context_length;
  CAIRN_ASSIGN_OR_RETURN(const auto layers, layer_visibility(config, plan, std::max<int64_t>(context, 1)));
  if (context == kEndless) CAIRN_RETURN_IF_ERROR(check_endless(config, layers));
  const int64_t reach = can_go_on ? largest_reach(layers, context) : context;
  if (context >= 1 && reach <= longest) return {};
  if (reach < context) return too_far(config, reach);
  const bool may_be_longer = can_go_on && context > longest && longest < kEndless;
  return invalid_argument(fmt::format(
      "a context of {} positions is not possible: this model was made for 1 to {}{}", context,
      config.context_length, may_be_longer ? " (beyond that, with `extend_context`, it gets worse)" : ""));
}

Result<int64_t> context_for(const Config& config, const KvPlan& plan, std::optional<int64_t> asked,
                            ContextLimit limit) {
  const int64_t context = asked.value_or(std::min(config.context_length, kDefaultContext));
  CAIRN_RETURN_IF_ERROR(check_context(config, plan, context, limit));
  return context;
}

Result<EngineOptions> engine_options_for(const Config& config, const OpenOptions& options) {
  EngineOptions engine = options.engine;
  engine.kv_plan = options.kv_plan.value_or(default_kv_plan(config, options.context));
  CAIRN_ASSIGN_OR_RETURN(engine.context,
                         context_for(config, engine.kv_plan, options.context, options.context_limit));
  const uint64_t available_bytes = memory_facts().available_bytes;
  if (available_bytes > 0) engine.available_bytes = available_bytes;
  return engine;
}

Result<LoadedModel> load_model(const std::string& path, OpenOptions options) {
  LoadedModel loaded;
  CAIRN_ASSIGN_OR_RETURN(loaded.kernels, select_kernels(options.isa));
  CAIRN_ASSIGN_OR_RETURN(const int thread_count, checked_thread_count(options.thread_count));
  loaded.threads = std::make_unique<ThreadPool>(thread_count);
  const ModelLoadOptions load{.accept =
                                  [&](const ModelPlan& plan, const Tokenizer& tokenizer) {
                                    loaded.made_for = plan.config.context_length;
                                    loaded.weights = weight_sizes(plan, type_in_memory(options.weights_form));
                                    const auto reach =
                                        accept({.config = plan.config, .weights = loaded.weights}, tokenizer,
                                               thread_count, options);
                                    if (reach.ok()) loaded.reach = *reach;
                                    return reach;
                                  },
                              .progress = options.on_load_progress,
                              .tokenizer = options.tokenizer,
                              .weights_form = options.weights_form,
                              .wants_fingerprint = options.engine.tiers.has_any()};
  CAIRN_ASSIGN_OR_RETURN(loaded.model, Model::load(path, *loaded.kernels, *loaded.threads, load));
  CAIRN_ASSIGN_OR_RETURN(loaded.engine_options, engine_options_for(loaded.model->config(), options));
  if (options.draft_model.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(loaded.engine_options.drafter,
                           load_drafter(*options.draft_model, loaded, options.tokenizer));
  }
  return loaded;
}

}  // namespace cairn
