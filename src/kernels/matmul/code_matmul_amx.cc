// AMX for q8_0 weights: integer products of 32 columns by tiles (TDPBSUD), scaled by AVX-512 in the order of
// the VNNI kernel; integer sums are exact, so the bits are the same.
//
// A tile load fetches its sixteen cache lines one after another if they are not in first-level cache, so all
// that tiles read is prefetched.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "kernels/amx.h"
#include "kernels/avx512.h"
#include "kernels/matmul/code_matmul.h"

#define CAIRN_UNROLL _Pragma("GCC unroll 16")

namespace cairn {
namespace {

constexpr int64_t kUnitBytes = unit_bytes(TensorType::kQ8_0);  // of a panel: 512 codes, 16 f16 scales
constexpr int kAhead = 4;  // groups whose products are computed while earlier ones are scaled: one tile each

// Tiles 0-3 hold sums, 4-5 activations [rows][32], 6-7 weights [8][16][4].
CAIRN_AMX void configure_codes(int64_t rows) {
  TileConfig config;
  for (int tile = 0; tile < 4; ++tile) config.set(tile, rows, 64);
  for (int tile = 4; tile < 6; ++tile) config.set(tile, rows, 32);
  for (int tile = 6; tile < 8; ++tile) config.set(tile, 8, 64);
  load_config(config);
}

// products [kAhead][rows][16] of `count` consecutive groups of 32 columns.
CAIRN_AMX_INLINE void multiply_codes(const int8_t* a, int64_t a_step, const uint8_t* codes, int64_t count,
                                     int32_t* products) {
  _tile_zero(0);
  _tile_loadd(4, a, 32);
  _tile_loadd(6, codes, 64);
  _tile_dpbsud(0, 4, 6);
  if (count > 1) {
    _tile_zero(1);
    _tile_loadd(5, a + a_step, 32);
    _tile_loadd(7, codes + kUnitBytes, 64);
    _tile_dpbsud(1, 5, 7);
  }
  if (count > 2) {
    _tile_zero(2);
    _tile_loadd(4, a + 2 * a_step, 32);
    _tile_loadd(6, codes + 2 * kUnitBytes, 64);
    _tile_dpbsud(2, 4, 6);
  }
  if (count > 3) {
    _tile_zero(3);
    _tile_loadd(5, a + 3 * a_step, 32);
    _tile_loadd(7, codes + 3 * kUnitBytes, 64);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_stored(0, products, 64);
  if (count > 1) _tile_stored(1, products + 256, 64);
  if (count > 2) _tile_stored(2, products + 512, 64);
  if (count > 3) _tile_stored(3, products + 768, 64);
}

template <bool kFull>
CAIRN_AMX_INLINE void add_scaled(const int32_t* products, __m512 scales, const Operand& x, int64_t i,
                                 int64_t rows, __m512* sums) {
  CAIRN_UNROLL for (int r = 0; r < 16; ++r) {
    if (!kFull && r >= rows) break;
    const __m512i exact =
        _mm512_add_epi32(_mm512_load_si512(products + 16 * r), _mm512_set1_epi32(x.offsets[i + r]));
    const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), scales);
    sums[r] = _mm512_fmadd_ps(scaled, _mm512_set1_ps(x.scales[i + r]), sums[r]);
  }
}

// Sixteen rows or fewer of one panel.
template <bool kFull>
CAIRN_AMX void q8_panel(const PackedMatrix& w, const Operand& x, int64_t g, int64_t panel, float* out,
                        int64_t stride) {
  const auto* data = reinterpret_cast<const uint8_t*>(w.data + panel * panel_bytes(w.type, w.columns));
  const int64_t rows = kFull ? 16 : x.rows_in_group(g);
  const int64_t start = x.first_index(g);
  const int64_t groups = x.column_groups();
  __m512 sums[16];
  CAIRN_UNROLL for (int r = 0; r < 16; ++r) sums[r] = _mm512_setzero_ps();
  alignas(64) int32_t products[2][kAhead * 256];
  const auto multiply = [&](int64_t c, int32_t* to) __attribute__((target(CAIRN_AMX_TARGET), always_inline)) {
    multiply_codes(x.codes + 32 * (start + c * rows), 32 * rows, data + c * kUnitBytes,
                   std::min<int64_t>(kAhead, groups - c), to);
  };
  // After the last group, the weights continue in the next panel and the rows start over.
  const auto prefetch = [&](int64_t c) __attribute__((target(CAIRN_AMX_TARGET), always_inline)) {
    const int64_t i = start + (c < groups ? c : c - groups) * rows;
    prefetch_lines<kAhead * kUnitBytes / 64>(data + c * kUnitBytes);
    prefetch_lines<kAhead * 16 * 32 / 64>(x.codes + 32 * i);
    prefetch_lines<kAhead * 16 * 4 / 64>(x.offsets + i);
    prefetch_lines<kAhead * 16 * 4 / 64>(x.scales + i);
  };
  multiply(0, products[0]);
  for (int64_t c = 0; c < groups; c += kAhead) {
    const int64_t parity = c / kAhead % 2;
    if (c + kAhead < groups) multiply(c + kAhead, products[1 - parity]);
    prefetch(c + 2 * kAhead);
    for (int64_t j = 0; j < kAhead && c + j < groups; ++j) {
      const __m512 scales = half_scales(data + (c + j) * kUnitBytes + 512);
      add_scaled<kFull>(products[parity] + 256 * j, scales, x, start + (c + j) * rows, rows, sums);
    }
  }
  CAIRN_UNROLL for (int r = 0; r < 16; ++r) {
    if (!kFull && r >= rows) break;
    store_sum(sums[r], w.rows - panel * 16, out + (g * kOperandRows + r) * stride + panel * 16);
  }
}

}  // namespace

CAIRN_AMX void code_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                               int64_t stride) {
  // Few rows leave the tile unit idle, and the integer sums are exact either way: the bits are the same.
  constexpr int64_t kFewRows = 8;
  const bool few = x.rows_in_group(tile.first_group) < kFewRows;
  if (w.type != TensorType::kQ8_0 || few) return code_matmul_avx512(w, x, tile, out, stride);
  for (int64_t g = tile.first_group; g < tile.first_group + tile.group_count; ++g) {
    const int64_t rows = x.rows_in_group(g);
    configure_codes(rows);
    for (int64_t panel = tile.first_panel; panel < tile.first_panel + tile.panel_count; ++panel) {
      if (rows == 16) {
        q8_panel<true>(w, x, g, panel, out, stride);
      } else {
        q8_panel<false>(w, x, g, panel, out, stride);
      }
    }
  }
  _tile_release();
}

}  // namespace cairn

#endif  // __x86_64__
