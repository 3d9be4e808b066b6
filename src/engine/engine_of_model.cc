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
  const Config& config = model->config();
  CAIRN_RETURN_IF_ERROR(check_context(config, options.context));
  std::vector<int64_t> layer_windows;
  layer_windows.reserve(config.layers.size());
  for (const LayerConfig& layer : config.layers) layer_windows.push_back(layer.window);
  Tokenizer tokenizer = model->tokenizer();
  std::string identity = block_identity(config, model->kernels());
  const KvShape shape = kv_shape_of(config, options.kv_plan);
  auto pass = std::make_unique<TransformerPass>(std::move(model), threads, forward_limits(options));
  return Parts{.pass = std::move(pass),
               .kv_shape = shape,
               .identity = std::move(identity),
               .layer_windows = std::move(layer_windows),
               .tokenizer = std::move(tokenizer)};
}

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, ThreadPool& threads,
                                               const EngineOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_context(model->config(), options.context));
  // First the cache: it checks the options, and has the best message for what does not fit.
  CAIRN_ASSIGN_OR_RETURN(auto cache, make_cache(kv_shape_of(model->config(), options.kv_plan), options,
                                                block_identity(model->config(), model->kernels())));
  CAIRN_ASSIGN_OR_RETURN(Parts parts, parts_of(std::move(model), threads, options));
  return assemble(std::move(parts), options, std::move(cache));
}

}  // namespace cairn
