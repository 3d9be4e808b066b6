// ModelSummary as `cairn model --json` prints it.
#include <boost/json/array.hpp>

#include "cli/json_text.h"
#include "cli/model_summary.h"

namespace cairn {
namespace {

boost::json::object config_object(const Config& config) {
  boost::json::array windows;
  for (const LayerConfig& layer : config.layers) windows.emplace_back(layer.window);
  return {{"family", config.family},
          {"layer_count", config.layer_count},
          {"model_dim", config.model_dim},
          {"head_count", config.head_count},
          {"kv_head_count", config.kv_head_count},
          {"head_dim", config.head_dim},
          {"ffn_dim", config.ffn_dim},
          {"vocab_size", config.vocab_size},
          {"context_length", config.context_length},
          {"layer_windows", std::move(windows)}};
}

}  // namespace

std::string summary_json(const ModelSummary& summary) {
  boost::json::array types;
  for (const TensorTypeCount& type : summary.tensor_types) {
    types.push_back(boost::json::object{{"type", type.name},
                                        {"tensor_count", type.tensor_count},
                                        {"element_count", type.element_count},
                                        {"bytes", type.bytes}});
  }
  boost::json::object costs;
  for (const KvCost& cost : summary.kv_costs) costs[cost.type_name] = cost.position_bytes;

  boost::json::object object{{"path", json_text(summary.path)},
                             {"kind", summary.kind},
                             {"file_bytes", summary.file_bytes},
                             {"parameter_count", summary.parameter_count},
                             {"runs_here", summary.config.has_value()}};
  if (summary.config.has_value()) {
    object["config"] = config_object(*summary.config);
  } else {
    object["refusal"] = json_text(summary.refusal);
  }
  object["tokenizer"] = json_text(summary.tokenizer);
  object["token_count"] = summary.token_count;
  object["has_chat_template"] = summary.has_chat_template;
  object["kv_bytes_per_position"] = std::move(costs);
  object["tensor_types"] = std::move(types);
  return json_line(object);
}

}  // namespace cairn
