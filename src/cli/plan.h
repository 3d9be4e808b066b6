// cairn plan: memory and what fits, before anything is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "cli/common_options.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {

class Console;

struct PlanOptions {
  // At most one of the three; none: the demo model.
  std::optional<std::string> model_path;   // -m
  std::optional<std::string> config_path;  // --config: a config.json without weights
  std::optional<std::string> preset;       // --preset: one of published_shape_names()

  std::optional<int64_t> context;          // absent: min(the model's, kDefaultContext)
  int64_t sequences = 1;                   // at once
  std::optional<KvPlan> kv_plan;           // absent: f16 in all layers
  std::optional<TensorType> weights_type;  // absent: as the file has them; without a file: f16, or as it says
  std::optional<int64_t> kv_head_count;    // absent: the model's own
  int64_t shared_prefix = 0;               // positions that all sequences begin with
  int64_t prefill_chunk = EngineOptions().prefill_chunk;
  std::optional<int> thread_count;  // absent: all usable physical cores
  OutputForm output_form = OutputForm::kText;
};

Status run_plan(const PlanOptions& options, Console& console);

}  // namespace cairn
