#include "kernels/codecs/kv_codec_testing.h"

#include <cmath>
#include <cstring>

#include "kernels/reference.h"

namespace cairn {

std::vector<TileCase> all_tile_cases() {
  std::vector<TileCase> cases;
  for (const KvFormatInfo& info : kKvFormats) {
    for (const KvAxis axis : {KvAxis::kToken, KvAxis::kChannel}) {
      if (axis == KvAxis::kChannel && !kv_is_integer(info.format)) continue;
      for (const KvSide side : {KvSide::kKeys, KvSide::kValues}) {
        for (const int32_t head_dim : {1, 8, 20, 64, 80, 96, 128, 256}) {
          cases.push_back({info.format, axis, side, head_dim});
        }
      }
    }
  }
  return cases;
}

std::string name_of(const TileCase& c) {
  return std::string(kv_format_info(c.format).name) +
         (c.axis == KvAxis::kToken ? " by token, " : " by channel, ") +
         (c.side == KvSide::kKeys ? "keys" : "values") + " of " + std::to_string(c.head_dim);
}

TestArray<float> f32_tile_of(const KvTileShape& shape, const std::vector<float>& rows) {
  const bool keys = shape.side == KvSide::kKeys;
  const int64_t lanes = kv_tile_shape({KvFormat::kF32}, shape.side, shape.head_dim).lanes;
  const int64_t count = keys ? int64_t{shape.head_dim} * lanes : kBlockSize * lanes;
  TestArray<float> tile(count);
  for (int64_t i = 0; i < count; ++i) tile[i] = NAN;
  for (int64_t p = 0; p < kBlockSize; ++p) {
    for (int64_t d = 0; d < shape.head_dim; ++d) {
      tile[keys ? d * lanes + p : p * lanes + d] = rows[static_cast<size_t>(p * shape.head_dim + d)];
    }
  }
  return tile;
}

TestArray<std::byte> encoded(const KvTileShape& shape, const std::vector<float>& rows, std::byte stale) {
  TestArray<std::byte> tile(shape.bytes);
  std::memset(tile.data(), std::to_integer<int>(stale), static_cast<size_t>(shape.bytes));
  kv_encode_block(shape, f32_tile_of(shape, rows).data(), tile.data());
  return tile;
}

std::vector<float> decoded_lines(const KvTileShape& shape, const std::byte* tile) {
  std::vector<float> lines(static_cast<size_t>(shape.lines) * static_cast<size_t>(shape.lanes));
  reference::decode_kv(shape, tile, 0, shape.lines, lines.data());
  return lines;
}

std::vector<float> decoded_rows(const KvTileShape& shape, const std::byte* tile) {
  const bool keys = shape.side == KvSide::kKeys;
  const std::vector<float> lines = decoded_lines(shape, tile);
  std::vector<float> rows;
  for (int64_t p = 0; p < kBlockSize; ++p) {
    for (int64_t d = 0; d < shape.head_dim; ++d) {
      rows.push_back(lines[static_cast<size_t>(keys ? d * shape.lanes + p : p * shape.lanes + d)]);
    }
  }
  return rows;
}

}  // namespace cairn
