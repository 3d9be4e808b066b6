// What windows keep and save, as `cairn plan` prints it. Pure.
#pragma once

#include <string>

#include "cli/plan.h"

namespace cairn {

// Whether the KV plan takes something out of sight that the model would see.
[[nodiscard]] bool plan_forgets(const PlanReport& report);
// A table with a row for each group of layers; empty where all layers keep everything.
[[nodiscard]] std::string groups_text(const PlanReport& report);
// What windows save already; empty where there are none.
[[nodiscard]] std::string saved_text(const PlanReport& report);

}  // namespace cairn
