// Test support: the list of codecs that every conformance test of the cache goes through, and a tile with
// the rows stored in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/codecs/kv_codec.h"
#include "kernels/kernel_testing.h"
#include "kernels/kernels.h"

namespace cairn {

struct TileCase {
  KvFormat format;
  KvAxis axis;
  KvSide side;
  int32_t head_dim;

  [[nodiscard]] KvTileShape shape() const { return kv_tile_shape({format, axis}, side, head_dim); }
};

// Every format, with both axes where it has scales, of both sides and of several head sizes.
[[nodiscard]] std::vector<TileCase> all_tile_cases();
[[nodiscard]] std::string name_of(const TileCase& c);

// 32 rows [32][head_dim] as the f32 tile that blocks are encoded from; padding lanes are NaN.
[[nodiscard]] TestArray<float> f32_tile_of(const KvTileShape& shape, const std::vector<float>& rows);
// The tile of these rows; its memory was filled with `stale` before.
[[nodiscard]] TestArray<std::byte> encoded(const KvTileShape& shape, const std::vector<float>& rows,
                                           std::byte stale = std::byte{0});
// All lines as the reference decodes them, [lines][lanes].
[[nodiscard]] std::vector<float> decoded_lines(const KvTileShape& shape, const std::byte* tile);
// The same as rows [32][head_dim].
[[nodiscard]] std::vector<float> decoded_rows(const KvTileShape& shape, const std::byte* tile);

}  // namespace cairn
