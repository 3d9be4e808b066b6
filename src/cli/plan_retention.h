// Whether a KV plan forgets. Pure.
#pragma once

#include "cairn/status.h"
#include "kv/kv_plan.h"
#include "model/config.h"

namespace cairn {

// Whether it leaves any layer less than all of the past. Errors: KvPlan::resolve's.
Result<bool> has_retention(const KvPlan& plan, const Config& config);

}  // namespace cairn
