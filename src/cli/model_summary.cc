#include "cli/model_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <iterator>
#include <map>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/window_words.h"
#include "engine/memory_plan.h"
#include "engine/model_facts.h"
#include "kv/geometry.h"
#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

uint64_t element_count(std::span<const int64_t> shape) {
  uint64_t count = 1;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(extent), &count)) return 0;
  }
  return count;
}

std::vector<TensorTypeCount> count_types(const ModelFile& file) {
  std::map<std::string, TensorTypeCount> by_type;
  const auto count_in = [&](const std::string& type_name,
                            std::span<const int64_t> shape) -> TensorTypeCount& {
    TensorTypeCount& count = by_type[type_name];
    count.name = type_name;
    ++count.tensor_count;
    count.element_count += element_count(shape);
    return count;
  };
  for (const Tensor& tensor : file.tensors()) {
    TensorTypeCount& count = count_in(std::string(tensor_type_info(tensor.type).name), tensor.shape);
    count.bytes = count.bytes.value_or(0) + tensor.data.size();
  }
  for (const ForeignTensor& tensor : file.foreign_tensors()) {
    TensorTypeCount& count = count_in(tensor.type_name, tensor.shape);
    count.runs_here = false;
    if (tensor.bytes.has_value()) count.bytes = count.bytes.value_or(0) + *tensor.bytes;
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
    const auto shape = kv_shape_of(config, plan, config.context_length);
    if (!shape.ok()) continue;
    const auto geometry = KvGeometry::make(*shape);
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

// What RoPE becomes with a longer context; empty where that makes no difference.
std::string describe(std::monostate) { return ""; }
std::string describe(const LongRope& rope) {
  return fmt::format("longrope: short factors for a context of up to {}, long ones for more",
                     grouped(static_cast<uint64_t>(rope.original_context)));
}
std::string describe(const DynamicNtk& rope) {
  return fmt::format("dynamic: a base that grows with a context of more than {}",
                     grouped(static_cast<uint64_t>(rope.original_context)));
}
std::string rope_by_context(const Config& config) {
  if (config.ropes.empty()) return "";
  return std::visit([](const auto& kind) { return describe(kind); }, config.ropes[0].by_context);
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
  if (const std::string rope = rope_by_context(config); !rope.empty()) line("RoPE", rope);
}

std::string kv_line(const ModelSummary& summary) {
  std::string text;
  for (const KvCost& cost : summary.kv_costs) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", cost.type_name, grouped(cost.position_bytes));
  }
  const int64_t context = std::min(summary.config->context_length, kDefaultContext);
  const std::string default_plan = KvPlan().text();
  const auto memory = plan_kv_memory(*summary.config, {.engine = {.context = context}});
  if (!memory.ok()) return text;
  return text + fmt::format(" ({}, {} positions{}: {})", default_plan,
                            grouped(static_cast<uint64_t>(context)),
                            has_own_windows(*summary.config) ? " behind its windows" : "",
                            human_bytes(memory->pool_bytes - memory->resume_bytes));
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
          {"rope_by_context", rope_by_context(config)},
          {"layer_windows", std::move(windows)}};
}

void add_tokenizer(const Tokenizer& tokenizer, ModelSummary& summary) {
  summary.tokenizer = tokenizer.kind();
  summary.token_count = tokenizer.vocab_size();
  summary.ends = ends_of_replies(tokenizer);
  std::ranges::copy(tokenizer.notes(), std::back_inserter(summary.notes));
}

boost::json::array ends_array(const ModelSummary& summary) {
  boost::json::array ends;
  for (const EndOfReply& end : summary.ends) {
    ends.push_back(boost::json::object{
        {"id", end.id}, {"text", json_text(end.text)}, {"reason", json_text(end.reason)}});
  }
  return ends;
}

boost::json::array notes_array(const ModelSummary& summary) {
  boost::json::array notes;
  for (const std::string& note : summary.notes) notes.emplace_back(json_text(note));
  return notes;
}

}  // namespace

ModelSummary summarise(const ModelFile& file, const std::string& path, const TokenizerOptions& options) {
  ModelSummary summary{.path = path,
                       .kind = file.kind(),
                       .file_bytes = file.file_bytes(),
                       .tensor_types = count_types(file),
                       .has_chat_template = file.chat_template().has_value()};
  for (const TensorTypeCount& type : summary.tensor_types) summary.parameter_count += type.element_count;
  if (auto plan = file.plan(); plan.ok()) {
    summary.config = plan->config;
    summary.kv_costs = kv_costs(plan->config);
    summary.notes = plan->notes;
  } else {
    summary.refusal = plan.status().message();
  }
  if (const auto tokenizer = file.tokenizer(options); tokenizer.ok()) {
    add_tokenizer(*tokenizer, summary);
  } else {
    summary.tokenizer = "none: " + tokenizer.status().message();
    if (summary.runs_here()) summary.refusal = tokenizer.status().message();
  }
  summary.refusal = with_flags(summary.refusal);
  summary.tokenizer = with_flags(summary.tokenizer);
  for (std::string& note : summary.notes) note = with_flags(note);
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
  for (const EndOfReply& end : summary.ends) {
    line("ends a reply", fmt::format("{} '{}' ({})", end.id, printable(end.text), end.reason));
  }
  line("chat template", summary.has_chat_template ? "yes" : "no");
  if (summary.config.has_value()) line("KV bytes", "a position: " + kv_line(summary));
  if (!summary.runs_here()) line("runs here", "no: " + summary.refusal);
  for (const std::string& note : summary.notes) line("note", note);

  Table table({{"type", Align::kLeft},
               {"tensors", Align::kRight},
               {"elements", Align::kRight},
               {"bytes", Align::kRight}});
  for (const TensorTypeCount& type : summary.tensor_types) {
    table.add_row({type.runs_here ? type.name : type.name + " (does not run here)",
                   grouped(type.tensor_count), grouped(type.element_count),
                   type.bytes.has_value() ? grouped(*type.bytes) : "unknown"});
  }
  return table.row_count() > 0 ? text + "\n" + table.aligned() : text;
}

std::string summary_json(const ModelSummary& summary) {
  boost::json::array types;
  for (const TensorTypeCount& type : summary.tensor_types) {
    types.push_back(
        boost::json::object{{"type", type.name},
                            {"tensor_count", type.tensor_count},
                            {"element_count", type.element_count},
                            {"bytes", type.bytes.has_value() ? boost::json::value(*type.bytes) : nullptr},
                            {"runs_here", type.runs_here}});
  }
  boost::json::object costs;
  for (const KvCost& cost : summary.kv_costs) costs[cost.type_name] = cost.position_bytes;

  boost::json::object object{{"path", json_text(summary.path)},
                             {"kind", summary.kind},
                             {"file_bytes", summary.file_bytes},
                             {"parameter_count", summary.parameter_count},
                             {"runs_here", summary.runs_here()}};
  if (summary.config.has_value()) object["config"] = config_object(*summary.config);
  if (!summary.runs_here()) object["refusal"] = json_text(summary.refusal);
  object["tokenizer"] = json_text(summary.tokenizer);
  object["token_count"] = summary.token_count;
  object["end_tokens"] = ends_array(summary);
  object["has_chat_template"] = summary.has_chat_template;
  object["kv_bytes_per_position"] = std::move(costs);
  object["tensor_types"] = std::move(types);
  object["notes"] = notes_array(summary);
  return json_line(object);
}

}  // namespace cairn
