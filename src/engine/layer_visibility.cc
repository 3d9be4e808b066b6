#include "engine/layer_visibility.h"

#include <algorithm>

#include "base/check.h"

namespace cairn {
namespace {

Visibility narrower(int64_t own_window, const Visibility& retention) {
  const Visibility own{.window = own_window};
  if (own.sees_all()) return retention;
  return retention.sees_all() || own.window <= retention.window ? own : retention;
}

Visibility within(const Visibility& seen, int64_t context) {
  const bool loses_nothing = seen.sinks == 0 && seen.window >= context;
  return loses_nothing ? Visibility{} : seen;
}

}  // namespace

Visibility seen_by_layer(int64_t own_window, const Visibility& retention, int64_t context) {
  return within(narrower(own_window, retention), context);
}

Result<std::vector<Visibility>> layer_visibility(const Config& config, const KvPlan& plan, int64_t context) {
  DCHECK(std::ssize(config.layers) == config.layer_count);
  DCHECK(context > 0);
  CAIRN_ASSIGN_OR_RETURN(const auto plans, plan.resolve(config.layer_count, config.head_dim));
  std::vector<Visibility> layers;
  layers.reserve(plans.size());
  for (size_t layer = 0; layer < plans.size(); ++layer) {
    layers.push_back(seen_by_layer(config.layers[layer].window, plans[layer].retention, context));
  }
  return layers;
}

int64_t largest_reach(std::span<const Visibility> layers, int64_t context) {
  DCHECK(!layers.empty());
  int64_t largest = 0;
  for (const Visibility& layer : layers) largest = std::max(largest, layer.reach(context));
  return largest;
}

}  // namespace cairn
