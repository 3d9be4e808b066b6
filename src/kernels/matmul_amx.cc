// AMX: sixteen rows times sixteen outputs a tile. Tiles are loaded with as many rows as a group has, so one row
// and sixteen are the same instructions; every output's sum depends on its own row alone.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "kernels/code_matmul.h"
#include "kernels/code_types.h"
#include "kernels/expand_codes.h"

#define CAIRN_AMX                                                                                       \
  __attribute__((target("amx-tile,amx-int8,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,"       \
                        "avx512vnni,avx512bf16,avx2,fma,f16c")))
#define CAIRN_UNROLL _Pragma("GCC unroll 16")

namespace cairn {
namespace {

// The 64 bytes that LDTILECFG reads.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int row_count, int bytes) {
    rows[tile] = static_cast<uint8_t>(row_count);
    row_bytes[tile] = static_cast<uint16_t>(bytes);
  }
};

// gcc 12 believes that the instruction reads 8 bytes only and drops the stores that fill the rest: hence the clobber.
CAIRN_AMX void load_config(const TileConfig& config) {
  __asm__ volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}

CAIRN_AMX void store_sum(__m512 sum, int64_t count, float* out) {
  const auto mask = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1U << count) - 1U);
  _mm512_mask_storeu_ps(out, mask, sum);
}

// Tiles 0-3 hold sums, 4-5 activations, 6-7 weights: two row groups times two panels.
CAIRN_AMX void configure(int64_t rows0, int64_t rows1, int operand_bytes, int weight_rows) {
  TileConfig config;
  for (int p = 0; p < 2; ++p) {
    config.set(p, static_cast<int>(rows0), 64);
    config.set(2 + p, static_cast<int>(rows1), 64);
    config.set(6 + p, weight_rows, 64);
  }
  config.set(4, static_cast<int>(rows0), operand_bytes);
  config.set(5, static_cast<int>(rows1), operand_bytes);
  load_config(config);
}

struct Bf16Job {
  const PackedMatrix& w;
  const Operand& x;
  int64_t panel_size;  // bytes
  float* out;
  int64_t stride;
};

// The sums of a tile pass through memory on their way out, where the last panel's missing rows are cut off.
CAIRN_AMX void write_rows(const Bf16Job& job, const float* tile, int64_t group, int64_t panel) {
  for (int64_t r = 0; r < job.x.rows_in_group(group); ++r) {
    store_sum(_mm512_load_ps(tile + 16 * r), job.w.rows - panel * 16,
              job.out + (group * kOperandRows + r) * job.stride + panel * 16);
  }
}

CAIRN_AMX void bf16_two_by_two(const Bf16Job& job, int64_t group, int64_t panel) {
  const auto* a0 = job.x.bf16 + 32 * job.x.first_index(group);
  const auto* a1 = job.x.bf16 + 32 * job.x.first_index(group + 1);
  const int64_t step0 = 32 * job.x.rows_in_group(group);
  const int64_t step1 = 32 * job.x.rows_in_group(group + 1);
  const std::byte* b0 = job.w.data + panel * job.panel_size;
  const std::byte* b1 = b0 + job.panel_size;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t c = 0; c < job.x.column_groups(); ++c) {
    _tile_loadd(4, a0 + c * step0, 64);
    _tile_loadd(6, b0 + c * 1024, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b1 + c * 1024, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a1 + c * step1, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) float sums[4][256];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  write_rows(job, sums[0], group, panel);
  write_rows(job, sums[1], group, panel + 1);
  write_rows(job, sums[2], group + 1, panel);
  write_rows(job, sums[3], group + 1, panel + 1);
}

// One row group times four panels: few rows, so as many streams of weights as there are tiles.
CAIRN_AMX void bf16_one_by_four(const Bf16Job& job, int64_t group, int64_t panel) {
  const auto* a = job.x.bf16 + 32 * job.x.first_index(group);
  const int64_t step = 32 * job.x.rows_in_group(group);
  const std::byte* b = job.w.data + panel * job.panel_size;
  const int64_t next = job.panel_size;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t c = 0; c < job.x.column_groups(); ++c, b += 1024) {
    _tile_loadd(4, a + c * step, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + next, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(6, b + 2 * next, 64);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(7, b + 3 * next, 64);
    _tile_dpbf16ps(3, 4, 7);
  }
  alignas(64) float sums[4][256];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  for (int64_t p = 0; p < 4; ++p) write_rows(job, sums[p], group, panel + p);
}

CAIRN_AMX void bf16_one_by_one(const Bf16Job& job, int64_t group, int64_t panel) {
  const auto* a = job.x.bf16 + 32 * job.x.first_index(group);
  const int64_t step = 32 * job.x.rows_in_group(group);
  const std::byte* b = job.w.data + panel * job.panel_size;
  _tile_zero(0);
  for (int64_t c = 0; c < job.x.column_groups(); ++c) {
    _tile_loadd(4, a + c * step, 64);
    _tile_loadd(6, b + c * 1024, 64);
    _tile_dpbf16ps(0, 4, 6);
  }
  alignas(64) float sums[256];
  _tile_stored(0, sums, 64);
  write_rows(job, sums, group, panel);
}

// Sixteen rows or fewer of one panel of codes with groups of 32: integer products by AMX, scales by AVX-512, in
// the order of the VNNI kernel.
template <TensorType kType>
struct CodeTile {
  static constexpr CodeFormat kFormat = code_format(kType);

  // products [rows][16] of one group of 32 columns; codes: 512 bytes.
  CAIRN_AMX static void multiply(const int8_t* a, const uint8_t* codes, int32_t* products) {
    _tile_zero(0);
    _tile_loadd(4, a, 32);
    _tile_loadd(6, codes, 64);
    _tile_dpbsud(0, 4, 6);
    _tile_stored(0, products, 64);
  }

  template <bool kFull>
  CAIRN_AMX static void add_scaled(const int32_t* products, __m512 scales, const Operand& x, int64_t i, int64_t rows,
                                   __m512* sums) {
    CAIRN_UNROLL for (int r = 0; r < 16; ++r) {
      if (!kFull && r >= rows) break;
      const int32_t total = kFormat.zero * (x.sums[2 * (i + r)] + x.sums[2 * (i + r) + 1]);
      const __m512i exact = _mm512_sub_epi32(_mm512_load_si512(products + 16 * r), _mm512_set1_epi32(total));
      const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), scales);
      sums[r] = _mm512_fmadd_ps(scaled, _mm512_set1_ps(x.scales[i + r]), sums[r]);
    }
  }
};

template <bool kFull>
CAIRN_AMX void q8_panel(const PackedMatrix& w, const Operand& x, int64_t g, int64_t panel, float* out, int64_t stride) {
  using Tile = CodeTile<TensorType::kQ8_0>;
  const auto* data = reinterpret_cast<const uint8_t*>(w.data + panel * panel_bytes(w.type, w.columns));
  const int64_t rows = kFull ? 16 : x.rows_in_group(g);
  const int64_t start = x.first_index(g);
  __m512 sums[16];
  CAIRN_UNROLL for (int r = 0; r < 16; ++r) sums[r] = _mm512_setzero_ps();
  // Products of the next group are under way while the last ones are scaled.
  alignas(64) int32_t products[2][256];
  const int64_t groups = x.column_groups();
  Tile::multiply(x.codes + 32 * start, data, products[0]);
  for (int64_t c = 0; c < groups; ++c) {
    const int64_t i = start + c * rows;
    if (c + 1 < groups) Tile::multiply(x.codes + 32 * (i + rows), data + (c + 1) * 544, products[(c + 1) % 2]);
    const __m512 scales =
        _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + c * 544 + 512)));
    Tile::add_scaled<kFull>(products[c % 2], scales, x, i, rows, sums);
  }
  CAIRN_UNROLL for (int r = 0; r < 16; ++r) {
    if (!kFull && r >= rows) break;
    store_sum(sums[r], w.rows - panel * 16, out + (g * kOperandRows + r) * stride + panel * 16);
  }
}

}  // namespace

CAIRN_AMX void prepare_bf16_group(const Operand& to, int64_t group) {
  const int64_t rows = to.rows_in_group(group);
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = to.x + (group * kOperandRows + r) * to.stride;
    uint16_t* row = to.bf16 + 32 * (to.first_index(group) + r);
    for (int64_t c = 0; c < to.column_groups(); ++c, row += 32 * rows) {
      const int64_t left = to.columns - 32 * c;
      const auto low = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1U << left) - 1U);
      const auto high = static_cast<__mmask16>(left >= 32 ? 0xFFFF : left <= 16 ? 0 : (1U << (left - 16)) - 1U);
      const __m512 a = _mm512_maskz_loadu_ps(low, x + 32 * c);
      const __m512 b = _mm512_maskz_loadu_ps(high, x + 32 * c + 16);
      const __m512bh both = _mm512_cvtne2ps_pbh(b, a);
      std::memcpy(row, &both, 64);
    }
  }
}

CAIRN_AMX void bf16_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                               int64_t stride) {
  const Bf16Job job{w, x, panel_bytes(w.type, w.columns), out, stride};
  const int64_t panel_end = tile.first_panel + tile.panel_count;
  const int64_t group_end = tile.first_group + tile.group_count;
  int64_t g = tile.first_group;
  for (; g + 2 <= group_end; g += 2) {
    configure(x.rows_in_group(g), x.rows_in_group(g + 1), 64, 16);
    int64_t panel = tile.first_panel;
    for (; panel + 2 <= panel_end; panel += 2) bf16_two_by_two(job, g, panel);
    if (panel < panel_end) {
      bf16_one_by_one(job, g, panel);
      configure(x.rows_in_group(g + 1), x.rows_in_group(g + 1), 64, 16);
      bf16_one_by_one(job, g + 1, panel);
    }
  }
  if (g < group_end) {
    configure(x.rows_in_group(g), x.rows_in_group(g), 64, 16);
    int64_t panel = tile.first_panel;
    for (; panel + 4 <= panel_end; panel += 4) bf16_one_by_four(job, g, panel);
    for (; panel < panel_end; ++panel) bf16_one_by_one(job, g, panel);
  }
  _tile_release();
}

CAIRN_AMX void code_matmul_amx(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out,
                               int64_t stride) {
  // Few rows leave the tile unit idle, and the integer sums are exact either way: the bits are the same.
  constexpr int64_t kFewRows = 8;
  const bool few = x.rows_in_group(tile.first_group) < kFewRows;
  if (w.type != TensorType::kQ8_0 || few) return code_matmul_avx512(w, x, tile, out, stride);
  for (int64_t g = tile.first_group; g < tile.first_group + tile.group_count; ++g) {
    const int64_t rows = x.rows_in_group(g);
    configure(rows, rows, 32, 8);
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
