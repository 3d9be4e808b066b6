// What --explain of `cairn plan` prints below the plan: when a cache does not pay, when a window loses, and figures that
// texts give. Pure.
#pragma once

#include <string>

#include "cli/plan.h"

namespace cairn {

[[nodiscard]] std::string plan_lessons(const PlanReport& report);

}  // namespace cairn
