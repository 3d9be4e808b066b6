// planned_model: where `cairn plan` has its model from.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/printable.h"
#include "cli/model_file.h"
#include "cli/open_model.h"
#include "cli/plan_report.h"
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
  model.sizes = {.config = plan.config, .weights = weight_sizes(plan, type)};
  return model;
}

// The type that config.json says its weights have; f16 where it says nothing that Cairn reads.
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

Result<PlannedModel> model_of_preset(const std::string& name, const PlanOptions& options) {
  const auto config = published_config(name);
  if (!config.has_value()) return invalid_argument("there is no preset '" + printable(name) + "'");
  const TensorType type = options.weights_type.value_or(TensorType::kF16);
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(*config, type));
  return sized({.source = Source::kPreset, .name = name}, std::move(plan), options, type);
}

}  // namespace

Result<PlannedModel> planned_model(const PlanOptions& options) {
  if (options.preset.has_value()) return model_of_preset(*options.preset, options);
  if (options.config_path.has_value()) return model_of_config(*options.config_path, options);
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path({.model_path = options.model_path}));
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, file.plan());
  return sized({.source = Source::kFile, .name = printable_path(path)}, std::move(plan), options,
               options.weights_type);
}

}  // namespace cairn
