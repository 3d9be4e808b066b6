#include "kernels/probe_amx.h"

#include "kernels/amx.h"

#if defined(__x86_64__)

namespace cairn {

CAIRN_AMX double amx_multiply_rounds(int64_t rounds) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) config.set(tile, 16, 64);
  load_config(config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  constexpr double kOperationsOfTile = 2.0 * 16 * 16 * 32;
  return 4 * kOperationsOfTile * static_cast<double>(rounds);
}

}  // namespace cairn

#endif  // __x86_64__
