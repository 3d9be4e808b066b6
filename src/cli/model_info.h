// cairn model: what is in a model file. Reads its head only; loads no weights.
#pragma once

#include <optional>
#include <string>

#include "cairn/status.h"
#include "cli/common_options.h"

namespace cairn {

class Console;

struct ModelInfoOptions {
  std::optional<std::string> model_path;
  enum class What : uint8_t { kSummary, kPath, kMetadata } what = What::kSummary;
  OutputForm output_form = OutputForm::kText;
};

Status run_model_info(const ModelInfoOptions& options, Console& console);

}  // namespace cairn
