// Engine::create over a loaded model.
#include "engine/block_identity.h"
#include "engine/engine.h"
#include "engine/memory_plan.h"
#include "engine/open_engine.h"
#include "engine/transformer_pass.h"
#include "model/model.h"

namespace cairn {

Result<Engine::Parts> Engine::parts_of(std::shared_ptr<const Model> model, ThreadPool& threads,
                                       const EngineOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(Parts parts, parts_beside_pass(*model, options));
  parts.pass = std::make_unique<TransformerPass>(std::move(model), threads, forward_limits(options),
                                                 parts.kv_shape.visibility);
  return parts;
}

Result<Engine::Parts> Engine::parts_beside_pass(const Model& model, const EngineOptions& options) {
  const Config& config = model.config();
  CAIRN_RETURN_IF_ERROR(check_context(config, options.kv_plan, options.context));
  CAIRN_ASSIGN_OR_RETURN(KvShape shape, kv_shape_of(config, options.kv_plan, options.context));
  std::vector<int64_t> layer_windows;
  layer_windows.reserve(shape.visibility.size());
  for (const Visibility& layer : shape.visibility) layer_windows.push_back(layer.sinks + layer.window);
  const bool has_end = !check_context(config, options.kv_plan, kEndless, ContextLimit::kNone).ok();
  return Parts{.pass = nullptr,
               .kv_shape = std::move(shape),
               .identity = block_identity(config, model.kernels(), model.fingerprint()),
               .layer_windows = std::move(layer_windows),
               .tokenizer = model.tokenizer(),
               .context_max = has_end ? std::optional(config.context_length) : std::nullopt};
}

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, ThreadPool& threads,
                                               const EngineOptions& options) {
  if (options.tiers.has_any() && !model->fingerprint().has_value()) {
    return invalid_argument(
        "blocks are kept outside this process only for a model that was loaded with its fingerprint");
  }
  CAIRN_ASSIGN_OR_RETURN(Parts parts, parts_beside_pass(*model, options));
  // The cache before the pass: it checks the options, and has the best message for what does not fit.
  CAIRN_ASSIGN_OR_RETURN(auto cache, make_cache(parts, options));
  parts.pass = std::make_unique<TransformerPass>(std::move(model), threads, forward_limits(options),
                                                 parts.kv_shape.visibility);
  return assemble(std::move(parts), options, std::move(cache));
}

}  // namespace cairn
