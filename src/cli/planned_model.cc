#include "cli/planned_model.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "base/printable.h"
#include "cli/open_model.h"
#include "engine/open_engine.h"
#include "files/json.h"
#include "model/published_shapes.h"

namespace cairn {
namespace {

using Source = PlannedModel::Source;

Result<PlannedModel> sized(PlannedModel model, ModelPlan plan, const PlanOptions& options,
                           std::optional<TensorType> type) {
  if (options.kv_head_count.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(plan, with_kv_heads(std::move(plan), *options.kv_head_count));
  }
  model.weights_type = type.has_value() ? std::string(tensor_type_info(*type).name) : "as the file has them";
  model.weights_are_exact = !type.has_value() && !options.kv_head_count.has_value();
  model.notes = plan.notes;
  model.sizes = {.config = plan.config, .weights = weight_sizes(plan, type)};
  return model;
}

// The weights' type in config.json; f16 where it names none that Cairn knows.
TensorType type_of_config(const boost::json::object& config) {
  for (const char* key : {"torch_dtype", "dtype"}) {
    const boost::json::value* value = config.if_contains(key);
    if (value == nullptr || !value->is_string()) continue;
    if (value->get_string() == "float32") return TensorType::kF32;
    if (value->get_string() == "bfloat16") return TensorType::kBF16;
  }
  return TensorType::kF16;
}

Result<PlannedModel> model_of_config(const std::string& name, const PlanOptions& options) {
  constexpr JsonLimits kLimits{.bytes_max = size_t{1} << 20, .depth_max = 32};
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object config, load_json_object(name, kLimits));
  const TensorType type = options.weights_type.value_or(type_of_config(config));
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(config, type));
  return sized({.source = Source::kConfig, .name = printable_path(name)}, std::move(plan), options, type);
}

// A model of which only keys and values are known.
Result<PlannedModel> cache_only(PlannedModel model, Config config, const PlanOptions& options) {
  config.kv_head_count = options.kv_head_count.value_or(config.kv_head_count);
  if (config.head_count % config.kv_head_count != 0) {
    return invalid_argument(fmt::format("{} query heads cannot share {} KV heads evenly", config.head_count,
                                        config.kv_head_count));
  }
  config.layers.resize(static_cast<size_t>(config.layer_count));
  model.weights_type = "unknown";
  model.sizes = {.config = std::move(config), .weights = {}, .known = KnownSizes::kCache};
  return model;
}

Result<PlannedModel> model_of_preset(const std::string& name, const PlanOptions& options) {
  PlannedModel model{.source = Source::kPreset, .name = name};
  for (const PublishedCacheShape& shape : published_cache_shapes()) {
    if (shape.name != name) continue;
    Config config;
    config.family = "a family that Cairn does not run";
    config.layer_count = shape.layer_count;
    config.head_count = shape.head_count;
    config.kv_head_count = shape.kv_head_count;
    config.head_dim = shape.head_dim;
    config.context_length = shape.context_length;
    return cache_only(std::move(model), std::move(config), options);
  }
  const auto config = published_config(name);
  if (!config.has_value()) return invalid_argument("there is no preset '" + printable(name) + "'");
  const TensorType type = options.weights_type.value_or(TensorType::kF16);
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(*config, type));
  return sized(std::move(model), std::move(plan), options, type);
}

Status check_shape(const GivenShape& shape) {
  std::vector<std::string> missing;
  if (!shape.layer_count) missing.emplace_back("--layers");
  if (!shape.head_count) missing.emplace_back("--heads");
  if (!shape.head_dim) missing.emplace_back("--head-dim");
  if (missing.empty()) return {};
  return invalid_argument(fmt::format(
      "a shape needs --layers, --heads and --head-dim (and --ffn and --vocab for its weights): give {} too",
      fmt::join(missing, " and ")));
}

// As a llama of this shape, whose tied weights are counted apart.
Result<PlannedModel> model_of_shape(const GivenShape& shape, const PlanOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_shape(shape));
  PlannedModel model{.source = Source::kShape, .name = "the given shape"};
  const int64_t asked = options.context.value_or(kDefaultContext);
  const int64_t context = asked == kEndless ? kDefaultContext : asked;
  const int64_t model_dim = shape.model_dim.value_or(*shape.head_count * *shape.head_dim);
  if (!shape.ffn_dim || !shape.vocab_size) {
    Config config;
    config.layer_count = *shape.layer_count;
    config.head_count = *shape.head_count;
    config.kv_head_count = *shape.head_count;
    config.head_dim = *shape.head_dim;
    config.context_length = context;
    return cache_only(std::move(model), std::move(config), options);
  }
  const boost::json::object config{{"model_type", "llama"},
                                   {"num_hidden_layers", *shape.layer_count},
                                   {"hidden_size", model_dim},
                                   {"num_attention_heads", *shape.head_count},
                                   {"num_key_value_heads", options.kv_head_count.value_or(*shape.head_count)},
                                   {"head_dim", *shape.head_dim},
                                   {"intermediate_size", *shape.ffn_dim},
                                   {"vocab_size", *shape.vocab_size},
                                   {"max_position_embeddings", context}};
  const TensorType type = options.weights_type.value_or(TensorType::kF16);
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(config, type));
  return sized(std::move(model), std::move(plan), options, type);
}

}  // namespace

Result<PlannedModel> planned_model(const PlanOptions& options) {
  if (options.preset.has_value()) return model_of_preset(*options.preset, options);
  if (options.config_path.has_value()) return model_of_config(*options.config_path, options);
  if (options.shape.is_given()) return model_of_shape(options.shape, options);
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path({.model_path = options.model_path}));
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, file.plan());
  return sized({.source = Source::kFile, .name = printable_path(path)}, std::move(plan), options,
               options.weights_type);
}

}  // namespace cairn
