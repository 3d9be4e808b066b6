#include "cli/plan_options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <vector>

#include "cli/nearest.h"
#include "cli/option_groups.h"
#include "model/published_shapes.h"

namespace cairn {
namespace {

std::string known_preset(const std::string& name) {
  const std::vector<std::string> names(published_shape_names().begin(), published_shape_names().end());
  if (std::ranges::find(names, name) != names.end()) return name;
  std::string message = "there is no preset '" + name + "'";
  if (const auto nearest = nearest_name(name, names)) message += "; did you mean " + *nearest + "?";
  std::string all;
  for (const std::string& known : names) all += (all.empty() ? "" : ", ") + known;
  throw CLI::ValidationError("--preset", message + " (there are " + all + ")");
}

}  // namespace

void add_plan_options(CLI::App& app, PlanOptions& options) {
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
  take_count(app.add_option("-c,--context", options.context,
                            "Positions of a sequence (default: the model's, at most 8192)"),
             1);
  take_count(app.add_option("--sequences", options.sequences, "Sequences, or users, at once (default: 1)"),
             1);
  add_kv_plan_option(app, options.kv_plan);
  add_tensor_type_option(
      app, "--weights", [&options](TensorType type) { options.weights_type = type; },
      "As if weights were stored so: " + tensor_type_names() + " (default: as they are; presets: f16)");
  take_count(app.add_option("--kv-heads", options.kv_head_count,
                            "As if queries shared so many heads of keys and values"),
             1);
  take_count(app.add_option("--shared-prefix", options.shared_prefix,
                            "Positions that all sequences begin with, kept once"),
             0);
  add_prefill_chunk_option(app, options.prefill_chunk);
  add_thread_option(app, options.thread_count);
  add_json_option(app, options.output_form);
}

}  // namespace cairn
