// AMX: sixteen rows times sixteen outputs a tile. Tiles are loaded with as many rows as a group has, so one
// row and sixteen are the same instructions; every output's sum depends on its own row alone.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/amx.h"
#include "kernels/code_matmul.h"

#define CAIRN_UNROLL _Pragma("GCC unroll 16")

namespace cairn {
namespace {

CAIRN_AMX void store_sum(__m512 sum, int64_t count, float* out) {
  const auto mask = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1U << count) - 1U);
  _mm512_mask_storeu_ps(out, mask, sum);
}

// Tiles 0-3 hold sums, 4-5 activations, 6-7 weights: two row groups times two panels.
CAIRN_AMX void configure(int64_t rows0, int64_t rows1, int operand_bytes, int weight_rows) {
  TileConfig config;
  for (int p = 0; p < 2; ++p) {
    config.set(p, rows0, 64);
    config.set(2 + p, rows1, 64);
    config.set(6 + p, weight_rows, 64);
  }
  config.set(4, rows0, operand_bytes);
  config.set(5, rows1, operand_bytes);
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

// Two row groups times two whole panels over columns [32 first, 32 last). Sums rest in `out` between pieces
// of columns, exactly.
struct Piece {
  int64_t first;
  int64_t last;
};

CAIRN_AMX void bf16_two_by_two(const Bf16Job& job, int64_t group, int64_t panel, Piece piece) {
  const int64_t step0 = 32 * job.x.rows_in_group(group);
  const int64_t step1 = 32 * job.x.rows_in_group(group + 1);
  const uint16_t* a0 = job.x.bf16 + 32 * job.x.first_index(group) + piece.first * step0;
  const uint16_t* a1 = job.x.bf16 + 32 * job.x.first_index(group + 1) + piece.first * step1;
  const std::byte* b0 = job.w.data + panel * job.panel_size + piece.first * 1024;
  const std::byte* b1 = b0 + job.panel_size;
  float* upper = job.out + group * kOperandRows * job.stride + panel * kPanelRows;
  float* lower = upper + kOperandRows * job.stride;
  const auto stride = static_cast<size_t>(job.stride) * sizeof(float);
  if (piece.first == 0) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, upper, stride);
    _tile_loadd(1, upper + kPanelRows, stride);
    _tile_loadd(2, lower, stride);
    _tile_loadd(3, lower + kPanelRows, stride);
  }
  for (int64_t c = piece.first; c < piece.last; ++c) {
    _tile_loadd(4, a0, 64);
    _tile_loadd(6, b0, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b1, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a1, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    a0 += step0;
    a1 += step1;
    b0 += 1024;
    b1 += 1024;
  }
  _tile_stored(0, upper, stride);
  _tile_stored(1, upper + kPanelRows, stride);
  _tile_stored(2, lower, stride);
  _tile_stored(3, lower + kPanelRows, stride);
}

// Row groups that come in pairs times panels that come in pairs. A piece of 1,024 columns of 512 rows is 1
// MiB: it stays in second-level cache while the panels pass by.
CAIRN_AMX void bf16_pairs(const Bf16Job& job, int64_t group_begin, int64_t group_end, int64_t panel_begin,
                          int64_t panel_end) {
  constexpr int64_t kPieceColumns = 32;  // groups of 32
  constexpr int64_t kBlockGroups = 32;
  for (int64_t begin = group_begin; begin < group_end; begin += kBlockGroups) {
    const int64_t end = std::min(begin + kBlockGroups, group_end);
    for (int64_t c = 0; c < job.x.column_groups(); c += kPieceColumns) {
      const Piece piece{c, std::min(c + kPieceColumns, job.x.column_groups())};
      for (int64_t panel = panel_begin; panel < panel_end; panel += 2) {
        for (int64_t g = begin; g < end; g += 2) bf16_two_by_two(job, g, panel, piece);
      }
    }
  }
}

// A tile load waits for its sixteen lines one after the other where they come from memory: ask for them
// early.
constexpr int64_t kPrefetchBytes = 2048;
CAIRN_AMX_INLINE void prefetch_tile(const std::byte* at) {
  CAIRN_UNROLL for (int line = 0; line < 16; ++line) {
    _mm_prefetch(reinterpret_cast<const char*>(at) + 64 * line, _MM_HINT_T0);
  }
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
    for (int64_t p = 0; p < 4; ++p) prefetch_tile(b + p * next + kPrefetchBytes);
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

// Sixteen rows or fewer of one q8_0 panel: integer products of 32 columns by AMX, scaled by AVX-512 in the
// order of the VNNI kernel.
constexpr int kAhead = 4;  // groups whose products are under way while earlier ones are scaled: one tile each

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
    _tile_loadd(7, codes + 544, 64);
    _tile_dpbsud(1, 5, 7);
  }
  if (count > 2) {
    _tile_zero(2);
    _tile_loadd(4, a + 2 * a_step, 32);
    _tile_loadd(6, codes + 2 * 544, 64);
    _tile_dpbsud(2, 4, 6);
  }
  if (count > 3) {
    _tile_zero(3);
    _tile_loadd(5, a + 3 * a_step, 32);
    _tile_loadd(7, codes + 3 * 544, 64);
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
    multiply_codes(x.codes + 32 * (start + c * rows), 32 * rows, data + c * 544,
                   std::min<int64_t>(kAhead, groups - c), to);
  };
  multiply(0, products[0]);
  for (int64_t c = 0; c < groups; c += kAhead) {
    const int64_t turn = c / kAhead % 2;
    if (c + kAhead < groups) multiply(c + kAhead, products[1 - turn]);
    for (int64_t j = 0; j < kAhead && c + j < groups; ++j) {
      const __m512 scales =
          _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + (c + j) * 544 + 512)));
      add_scaled<kFull>(products[turn] + 256 * j, scales, x, start + (c + j) * rows, rows, sums);
    }
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
      const auto high = static_cast<__mmask16>(left >= 32   ? 0xFFFF
                                               : left <= 16 ? 0
                                                            : (1U << (left - 16)) - 1U);
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
  // Whole groups and panels in pairs; then what is left over: the last groups, the last panels.
  const int64_t whole_groups =
      std::min(tile.group_count, x.row_count / kOperandRows - tile.first_group) / 2 * 2;
  const int64_t whole_panels = std::min(tile.panel_count, w.rows / kPanelRows - tile.first_panel) / 2 * 2;
  const int64_t paired_groups = tile.first_group + (whole_panels > 0 ? whole_groups : 0);
  const int64_t paired_panels = tile.first_panel + (whole_groups > 0 ? whole_panels : 0);
  if (whole_groups > 0 && whole_panels > 0) {
    configure(kOperandRows, kOperandRows, 64, 16);
    bf16_pairs(job, tile.first_group, paired_groups, tile.first_panel, paired_panels);
  }
  for (int64_t g = tile.first_group; g < group_end; ++g) {
    int64_t panel = g < paired_groups ? paired_panels : tile.first_panel;
    if (panel == panel_end) continue;
    configure(x.rows_in_group(g), x.rows_in_group(g), 64, 16);
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
