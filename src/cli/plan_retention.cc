#include "cli/plan_retention.h"

#include <algorithm>

namespace cairn {

Result<bool> has_retention(const KvPlan& plan, const Config& config) {
  CAIRN_ASSIGN_OR_RETURN(const auto layers, plan.resolve(config.layer_count, config.head_dim));
  return std::ranges::any_of(layers, [](const KvLayerPlan& layer) { return !layer.retention.sees_all(); });
}

}  // namespace cairn
