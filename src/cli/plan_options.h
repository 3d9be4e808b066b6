// The options of `cairn plan`, added to a CLI11 parser. Used by parse.cc only.
#pragma once

#include "cli/plan.h"

namespace CLI {
class App;
}  // namespace CLI

namespace cairn {

void add_plan_options(CLI::App& app, PlanOptions& options);

}  // namespace cairn
