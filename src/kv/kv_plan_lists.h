// The KV plans that laws, benches and reports go through, made from the table of formats.
#pragma once

#include <vector>

#include "kv/kv_plan.h"

namespace cairn {

// One for each format, in the table's order: f32 first.
[[nodiscard]] std::vector<KvPlan> kv_plans_of_every_format();
// One for each format in common use.
[[nodiscard]] std::vector<KvPlan> kv_plans_of_common_formats();

}  // namespace cairn
