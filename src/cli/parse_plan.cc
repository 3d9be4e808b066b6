// The parser of cairn plan.
#include <algorithm>
#include <cctype>

#include "cli/help_text.h"
#include "cli/option_groups.h"
#include "cli/option_values.h"
#include "cli/parse_with.h"
#include "model/families/keys.h"
#include "model/published_shapes.h"

namespace cairn {
namespace {

std::vector<std::string> preset_names() {
  std::vector<std::string> names(published_shape_names().begin(), published_shape_names().end());
  for (const PublishedCacheShape& shape : published_cache_shapes()) names.emplace_back(shape.name);
  return names;
}

std::string known_preset(const std::string& name) {
  const std::vector<std::string> names = preset_names();
  if (std::ranges::find(names, name) != names.end()) return name;
  std::string message = "there is no preset '" + name + "'";
  if (const auto nearest = nearest_name(name, names)) message += "; did you mean " + *nearest + "?";
  std::string all;
  for (const std::string& known : names) all += (all.empty() ? "" : ", ") + known;
  throw CLI::ValidationError("--preset", message + " (there are " + all + ")");
}

// A model is given in one of four ways.
void add_model_options(CLI::App& app, PlanOptions& options) {
  CLI::Option* model = app.add_option("-m,--model", options.model_path,
                                      "GGUF file or Hugging Face folder (default: the demo model)")
                           ->type_name("PATH");
  CLI::Option* config =
      app.add_option("--config", options.config_path, "A config.json, without weights")->type_name("FILE");
  CLI::Option* preset =
      app.add_option_function<std::string>(
             "--preset", [&options](const std::string& name) { options.preset = known_preset(name); },
             "One of the published shapes below")
          ->type_name("NAME");
  model->excludes(config, preset);
  config->excludes(preset);
  GivenShape& shape = options.shape;
  const auto add_size = [&](const char* name, std::optional<int64_t>& value, int64_t most, const char* help) {
    CLI::Option* size = app.add_option(name, value, help)->group("A shape of your own");
    take_count(size, 1, most);
    for (CLI::Option* other : {model, config, preset}) size->excludes(other);
  };
  add_size("--layers", shape.layer_count, ConfigLimits::kLayers, "Layers");
  add_size("--heads", shape.head_count, ConfigLimits::kHeads,
           "Query heads of a layer; as many of keys and values, without --kv-heads");
  add_size("--head-dim", shape.head_dim, ConfigLimits::kHeadDim, "Elements of a head");
  add_size("--dim", shape.model_dim, ConfigLimits::kModelDim,
           "Width of the model (default: heads x head-dim)");
  add_size("--ffn", shape.ffn_dim, ConfigLimits::kFfnDim,
           "Width of the feed-forward part; with --vocab, weights are planned too");
  add_size("--vocab", shape.vocab_size, ConfigLimits::kVocab, "Tokens of the vocabulary");
}

void add_plan_options(CLI::App& app, PlanOptions& options) {
  add_model_options(app, options);
  take_count(app.add_option("-c,--context", options.context,
                            "Positions of a sequence (default: the model's, at most 8192)"),
             1);
  add_endless_option(app, options.context);
  add_extend_context_option(app, options.context_limit);
  take_count(app.add_option("--sequences", options.sequences, "Sequences, or users, at once (default: 1)"),
             1);
  add_kv_plan_option(app, options.kv_plan);
  app.add_option_function<std::string>(
         "--weights",
         [&options](const std::string& text) {
           options.weights_type = tensor_type_of_file_name(text);
           if (options.weights_type.has_value()) return;
           throw CLI::ValidationError(
               "--weights", "no tensor type is named '" + text + "'; there are " + tensor_type_names());
         },
         "Plan with weights of this type: " + tensor_type_names() +
             ", or as files are named, q4_k_m (default: their own; presets and shapes: f16)")
      ->type_name("NAME");
  take_count(app.add_option("--kv-heads", options.kv_head_count, "Plan with this many KV heads"), 1);
  take_count(app.add_option("--shared-prefix", options.shared_prefix,
                            "Positions that all sequences begin with, kept once"),
             0);
  add_prefill_chunk_option(app, options.prefill_chunk);
  add_thread_option(app, options.thread_count);
  app.add_option_function<std::string>(
         "--memory",
         [&options](const std::string& text) {
           options.memory_bytes = value_or_throw("--memory", parse_byte_count(text));
         },
         "Free memory of the machine to plan for: 80GiB (default: this machine's)")
      ->type_name("SIZE");
  app.add_flag("--explain", options.explains,
               "Also: when a cache does not pay, which tasks lose by a window, and figures that texts give");
  add_json_option(app, options.output_form);
}

}  // namespace

Result<Command> parse_plan(Arguments arguments) {
  std::string presets;
  for (const std::string& name : preset_names()) presets += "\n  " + name;
  const std::string footer = std::string(kPlanExamples) + "\nPresets:" + presets;
  return parse_with<PlanOptions>("cairn plan",
                                 "Shows how much memory a model will need, before it is loaded.",
                                 footer.c_str(), arguments, add_plan_options);
}

}  // namespace cairn
