#include "model/attention_shape.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn {

bool AttentionShape::has_sinks() const {
  return std::ranges::any_of(layers, [](const Visibility& layer) { return layer.sinks > 0; });
}

std::vector<Visibility> own_windows(const Config& config) {
  std::vector<Visibility> windows;
  windows.reserve(config.layers.size());
  for (const LayerConfig& layer : config.layers) windows.push_back({.window = layer.window});
  return windows;
}

AttentionShape attention_shape(const Config& config, std::vector<Visibility> visibility) {
  CHECK(std::ssize(visibility) == config.layer_count);
  return {.head_count = config.head_count,
          .kv_head_count = config.kv_head_count,
          .head_dim = config.head_dim,
          .scale = config.attention_scale,
          .soft_cap = config.attention_soft_cap,
          .layers = std::move(visibility)};
}

}  // namespace cairn
