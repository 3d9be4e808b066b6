#include "kernels/codecs/kv_codec.h"

#include "base/check.h"

namespace cairn {
namespace {

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

KvTileShape kv_tile_shape(const KvCodec& codec, KvSide side, int32_t head_dim) {
  const bool integer = kv_is_integer(codec.format);
  KvTileShape shape{.codec = codec, .side = side, .head_dim = head_dim};
  const auto padded = static_cast<int32_t>(round_up(head_dim, integer ? kKvGroup : 16));
  shape.lines = side == KvSide::kKeys ? head_dim : kBlockSize;
  shape.lanes = side == KvSide::kKeys ? kBlockSize : padded;
  shape.line_bytes = shape.lanes * kv_format_bits(codec.format) / 8;
  shape.scales_offset = shape.lines * shape.line_bytes;
  shape.minima_offset = shape.scales_offset;
  if (integer) {
    shape.scales_along = (side == KvSide::kKeys) == (codec.axis == KvAxis::kChannel);
    shape.scale_count = shape.scales_along ? shape.lines * (shape.lanes / kKvGroup)
                                           : (shape.lines + kKvGroup - 1) / kKvGroup * shape.lanes;
    shape.minima_offset += 2 * shape.scale_count;
  }
  const int64_t minima_bytes = kv_has_minimum(codec.format) ? 2 * shape.scale_count : 0;
  shape.bytes = round_up(shape.minima_offset + minima_bytes, 64);
  return shape;
}

// Sylvester's matrix as butterflies, log2(n) rounds of sums and differences. Scaling comes first, which keeps
// sums of finite numbers as far from overflow as possible.
void kv_hadamard(float* row, int64_t n) {
  CHECK(kv_can_rotate(n));
  float factor = 1;  // 1 / sqrt(n)
  for (int64_t m = n; m > 1; m /= 4) factor *= m == 2 ? 0x1.6A09E6p-1F : 0.5F;
  for (int64_t i = 0; i < n; ++i) row[i] *= factor;
  for (int64_t half = 1; half < n; half *= 2) {
    for (int64_t low = 0; low < n; low += 2 * half) {
      for (int64_t i = low; i < low + half; ++i) {
        const float a = row[i];
        const float b = row[i + half];
        row[i] = a + b;
        row[i + half] = a - b;
      }
    }
  }
}

}  // namespace cairn
