// The KV plans that benches compare.
#pragma once

#include <vector>

#include "kv/kv_plan.h"
#include "model/config.h"

namespace cairn {

// Every codec, for keys and values alike and apart, as far as the model's shape allows it.
[[nodiscard]] std::vector<KvPlan> every_codec(const Config& config);

}  // namespace cairn
