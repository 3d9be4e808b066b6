#include "cli/model_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <map>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/output_format.h"
#include "engine/memory_plan.h"
#include "kv/geometry.h"
#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

uint64_t element_count(const Tensor& tensor) {
  uint64_t count = 1;
  for (const int64_t extent : tensor.shape) count *= static_cast<uint64_t>(extent);
  return count;
}

std::vector<TensorTypeCount> count_types(std::span<const Tensor> tensors) {
  std::map<TensorType, TensorTypeCount> by_type;
  for (const Tensor& tensor : tensors) {
    TensorTypeCount& count = by_type[tensor.type];
    count.name = tensor_type_info(tensor.type).name;
    ++count.tensor_count;
    count.element_count += element_count(tensor);
    count.bytes += tensor.data.size();
  }
  std::vector<TensorTypeCount> counts;
  counts.reserve(by_type.size());
  for (auto& [type, count] : by_type) counts.push_back(std::move(count));
  std::ranges::sort(counts, [](const auto& a, const auto& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.name < b.name;
  });
  return counts;
}

std::vector<KvCost> kv_costs(const Config& config) {
  std::vector<KvCost> costs;
  for (const KvPlan& plan : kv_plans_of_common_formats()) {
    const auto geometry = KvGeometry::make(kv_shape_of(config, plan));
    if (geometry.ok()) costs.push_back({plan.text(), geometry->position_bytes()});
  }
  return costs;
}

std::string attention_kind(const Config& config) {
  if (config.kv_head_count == config.head_count) return "multi-head";
  return config.kv_head_count == 1 ? "multi-query" : "grouped-query";
}

std::string windows(const Config& config) {
  const auto windowed =
      std::ranges::count_if(config.layers, [](const LayerConfig& l) { return l.window > 0; });
  if (windowed == 0) return "every layer sees all positions";
  const auto first = std::ranges::find_if(config.layers, [](const LayerConfig& l) { return l.window > 0; });
  return fmt::format("{} of {} layers see the last {} positions", windowed, config.layer_count,
                     first->window);
}

void add_config(const Config& config, std::string& text) {
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<14} {}\n", name, value);
  };
  line("family", config.family);
  line("layers", fmt::format("{} of dimension {}, feed-forward {}", config.layer_count, config.model_dim,
                             config.ffn_dim));
  line("attention", fmt::format("{}: {} query heads, {} KV heads of {}; {}", attention_kind(config),
                                config.head_count, config.kv_head_count, config.head_dim, windows(config)));
  line("context", fmt::format("{} positions", grouped(static_cast<uint64_t>(config.context_length))));
}

std::string kv_line(const ModelSummary& summary) {
  std::string text;
  for (const KvCost& cost : summary.kv_costs) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", cost.type_name, grouped(cost.position_bytes));
  }
  const int64_t context = std::min(summary.config->context_length, kDefaultContext);
  const std::string default_plan = KvPlan().text();
  const auto by_default = std::ranges::find(summary.kv_costs, default_plan, &KvCost::type_name);
  if (by_default == summary.kv_costs.end()) return text;
  return text + fmt::format(" ({}, {} positions: {})", default_plan, grouped(static_cast<uint64_t>(context)),
                            human_bytes(by_default->position_bytes * static_cast<uint64_t>(context)));
}

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

ModelSummary summarise(const ModelFile& file, const std::string& path) {
  ModelSummary summary{.path = path,
                       .kind = file.kind(),
                       .file_bytes = file.file_bytes(),
                       .tensor_types = count_types(file.tensors()),
                       .has_chat_template = file.chat_template().has_value()};
  for (const TensorTypeCount& type : summary.tensor_types) summary.parameter_count += type.element_count;
  if (auto plan = file.plan(); plan.ok()) {
    summary.config = plan->config;
    summary.kv_costs = kv_costs(plan->config);
  } else {
    summary.refusal = plan.status().message();
  }
  if (const auto tokenizer = file.tokenizer(); tokenizer.ok()) {
    summary.tokenizer = tokenizer->kind();
    summary.token_count = tokenizer->vocab_size();
  } else {
    summary.tokenizer = "none: " + tokenizer.status().message();
  }
  return summary;
}

std::string summary_text(const ModelSummary& summary) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<14} {}\n", name, value);
  };
  line("file", printable_path(summary.path));
  line("kind", fmt::format("{}, {}", summary.kind, human_bytes(summary.file_bytes)));
  line("parameters", grouped(summary.parameter_count));
  if (summary.config.has_value()) add_config(*summary.config, text);
  line("tokenizer", summary.token_count > 0 ? fmt::format("{}, {} tokens", summary.tokenizer,
                                                          grouped(static_cast<uint64_t>(summary.token_count)))
                                            : summary.tokenizer);
  line("chat template", summary.has_chat_template ? "yes" : "no");
  if (summary.config.has_value()) line("KV bytes", "a position: " + kv_line(summary));
  if (!summary.config.has_value()) line("runs here", "no: " + summary.refusal);

  Table table({{"type", Align::kLeft},
               {"tensors", Align::kRight},
               {"elements", Align::kRight},
               {"bytes", Align::kRight}});
  for (const TensorTypeCount& type : summary.tensor_types) {
    table.add_row({type.name, grouped(type.tensor_count), grouped(type.element_count), grouped(type.bytes)});
  }
  return table.row_count() > 0 ? text + "\n" + table.aligned() : text;
}

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
