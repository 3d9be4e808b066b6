// PlannedModel: the model that `cairn plan` plans memory for, from a file, a config.json, a preset or a shape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/commands.h"
#include "engine/memory_plan.h"

namespace cairn {

struct PlannedModel {
  enum class Source : uint8_t { kFile, kConfig, kPreset, kShape };
  Source source = Source::kFile;
  std::string name;                // path or preset
  std::string weights_type;        // "f16", or "as the file has them"
  bool weights_are_exact = false;  // else all matrices are taken to be of one type
  ModelSizes sizes;
  std::vector<std::string> notes;  // ModelPlan's: what was assumed
};

// Reads the head of the file, or the config.json. Errors: those of opening and of plan_model; kInvalidArgument
// for --kv-heads that the model's query heads cannot share, and for a given shape that lacks a number.
Result<PlannedModel> planned_model(const PlanOptions& options);

}  // namespace cairn
