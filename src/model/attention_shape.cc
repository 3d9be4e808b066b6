#include "model/attention_shape.h"

namespace cairn {

AttentionShape attention_shape(const Config& config) {
  AttentionShape shape{.head_count = config.head_count,
                       .kv_head_count = config.kv_head_count,
                       .head_dim = config.head_dim,
                       .scale = config.attention_scale,
                       .soft_cap = config.attention_soft_cap};
  for (const LayerConfig& layer : config.layers) shape.layers.push_back({.window = layer.window});
  return shape;
}

}  // namespace cairn
