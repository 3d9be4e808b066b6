#include "kernels/kv_view.h"

namespace cairn {

KvLayerLayout kv_layer_layout(const KvCodec& keys, const KvCodec& values, int32_t head_dim) {
  constexpr KvCodec kOpen{.format = KvFormat::kF32};
  KvLayerLayout layer{.keys = kv_tile_shape(keys, KvSide::kKeys, head_dim),
                      .values = kv_tile_shape(values, KvSide::kValues, head_dim),
                      .opens_keys = kv_seals_whole_block(keys),
                      .opens_values = kv_seals_whole_block(values)};
  if (layer.opens_keys) layer.open_values_offset = kv_tile_shape(kOpen, KvSide::kKeys, head_dim).bytes;
  layer.open_head_bytes = layer.open_values_offset;
  if (layer.opens_values) layer.open_head_bytes += kv_tile_shape(kOpen, KvSide::kValues, head_dim).bytes;
  return layer;
}

}  // namespace cairn
