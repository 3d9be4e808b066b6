// AMX for bf16 weights: sixteen rows times sixteen outputs a tile. Tiles are loaded with as many rows as a
// group has, so one row and sixteen are the same instructions; every output's sum depends on its own row
// alone.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/amx.h"
#include "kernels/avx512.h"
#include "kernels/matmul/code_matmul.h"

namespace cairn {
namespace {

constexpr int64_t kTileBytes = 1024;

// Tiles 0-3 hold sums, 4-5 activations, 6-7 weights: two row groups times two panels.
CAIRN_AMX void configure(int64_t rows) {
  TileConfig config;
  for (int tile = 0; tile < 6; ++tile) config.set(tile, rows, 64);
  for (int tile = 6; tile < 8; ++tile) config.set(tile, 16, 64);
  load_config(config);
}

struct Bf16Job {
  const PackedMatrix& w;
  const Operand& x;
  int64_t panel_size;  // bytes
  float* out;
  int64_t stride;

  [[nodiscard]] const std::byte* rows(int64_t group) const {
    return reinterpret_cast<const std::byte*>(x.bf16 + 32 * x.first_index(group));
  }
  [[nodiscard]] const std::byte* panel(int64_t p) const { return w.data + p * panel_size; }
};

// Writes a tile of sums from memory; the rows that the last panel lacks are left out.
CAIRN_AMX void write_rows(const Bf16Job& job, const float* tile, int64_t group, int64_t panel) {
  for (int64_t r = 0; r < job.x.rows_in_group(group); ++r) {
    store_sum(_mm512_load_ps(tile + 16 * r), job.w.rows - panel * 16,
              job.out + (group * kOperandRows + r) * job.stride + panel * 16);
  }
}

// Many rows: row groups in pairs times panels in pairs, a square of 2 x 2 tiles of sums at a time over a
// piece of columns. Within a piece, a pair of panels (16 KiB) stays in first-level cache while it meets all
// rows; the rows (128 KiB) and their sums (256 KiB) stay in second-level cache while they meet all panels.
// Between pieces the sums are kept in memory, exactly.
constexpr int64_t kPieceSteps = 8;  // of 32 columns, one tile
constexpr int64_t kPrefetchSteps = 4;
constexpr int64_t kSquareFloats = 4 * 256;

// Two streams of tiles.
struct TilePair {
  const std::byte* first;
  const std::byte* second;

  CAIRN_AMX_INLINE void prefetch(int64_t step) const {
    prefetch_lines<16>(first + step * kTileBytes);
    prefetch_lines<16>(second + step * kTileBytes);
  }
};

// Prefetches the next panels from memory into second-level cache, some lines a step.
struct PanelFetch {
  TilePair panels;
  int64_t lines_per_step;  // of each stream
  int64_t line = 0;

  CAIRN_AMX_INLINE void advance() {
    for (const int64_t end = line + lines_per_step; line < end; ++line) {
      _mm_prefetch(reinterpret_cast<const char*>(panels.first) + 64 * line, _MM_HINT_T1);
      _mm_prefetch(reinterpret_cast<const char*>(panels.second) + 64 * line, _MM_HINT_T1);
    }
  }
};

// What a square multiplies. Panels are new if they are not in first-level cache yet.
struct Factors {
  TilePair rows;
  TilePair panels;
  bool panels_are_new;

  CAIRN_AMX_INLINE void prefetch(int64_t step) const {
    rows.prefetch(step);
    if (panels_are_new) panels.prefetch(step);
  }
};

// `next`, `next_sums`: of the square after this one.
CAIRN_AMX_INLINE void multiply_square(const Factors& factors, int64_t steps, const Factors& next,
                                      const float* next_sums, PanelFetch& fetch) {
  constexpr int64_t kSumLines = kSquareFloats / 16 / kPieceSteps;
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t ahead = step + kPrefetchSteps;
    if (ahead < steps) {
      factors.prefetch(ahead);
    } else {
      next.prefetch(ahead - steps);
    }
    prefetch_lines<kSumLines>(next_sums + step * kSumLines * 16);
    fetch.advance();
    const int64_t at = step * kTileBytes;
    _tile_loadd(4, factors.rows.first + at, 64);
    _tile_loadd(6, factors.panels.first + at, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, factors.panels.second + at, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, factors.rows.second + at, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

// Where a square's sums are: 32 rows of 32 floats, `stride` floats apart.
struct SquareSums {
  float* at;
  int64_t stride;

  [[nodiscard]] float* lower() const { return at + kOperandRows * stride; }
  [[nodiscard]] size_t row_bytes() const { return static_cast<size_t>(stride) * sizeof(float); }
};

CAIRN_AMX_INLINE void load_sums(const SquareSums& from) {
  _tile_loadd(0, from.at, from.row_bytes());
  _tile_loadd(1, from.at + kPanelRows, from.row_bytes());
  _tile_loadd(2, from.lower(), from.row_bytes());
  _tile_loadd(3, from.lower() + kPanelRows, from.row_bytes());
}

CAIRN_AMX_INLINE void store_sums(const SquareSums& to) {
  _tile_stored(0, to.at, to.row_bytes());
  _tile_stored(1, to.at + kPanelRows, to.row_bytes());
  _tile_stored(2, to.lower(), to.row_bytes());
  _tile_stored(3, to.lower() + kPanelRows, to.row_bytes());
}

CAIRN_AMX_INLINE void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Whole groups and whole panels, both even in number.
struct Area {
  int64_t first_group;
  int64_t end_group;
  int64_t first_panel;
  int64_t end_panel;
};

// Columns from `first_step` on, of an area of at most kSumsGroups and kSumsPanels. `sums`: its sums.
CAIRN_AMX void bf16_piece(const Bf16Job& job, const Area& area, int64_t first_step, float* sums) {
  const int64_t end_step = std::min(first_step + kPieceSteps, job.x.column_groups());
  const int64_t steps = end_step - first_step;
  const bool is_last = end_step == job.x.column_groups();
  const auto rows_at = [&](int64_t g) {
    return TilePair{job.rows(g) + first_step * kTileBytes, job.rows(g + 1) + first_step * kTileBytes};
  };
  const auto panels_at = [&](int64_t p, int64_t step) {
    return TilePair{job.panel(p) + step * kTileBytes, job.panel(p + 1) + step * kTileBytes};
  };
  const int64_t uses = (area.end_group - area.first_group) / 2;  // of a pair of panels
  for (int64_t p = area.first_panel; p < area.end_panel; p += 2) {
    PanelFetch fetch{
        p + 2 < area.end_panel ? panels_at(p + 2, first_step) : panels_at(area.first_panel, end_step),
        (kTileBytes / 64 + uses - 1) / uses};
    for (int64_t g = area.first_group; g < area.end_group; g += 2, sums += kSquareFloats) {
      const int64_t next_group = g + 2 < area.end_group ? g + 2 : area.first_group;
      const SquareSums kept{sums, 32};
      if (first_step == 0) {
        zero_sums();
      } else {
        load_sums(kept);
      }
      const bool is_end = next_group == area.first_group;
      const Factors factors{rows_at(g), panels_at(p, first_step), g == area.first_group};
      const Factors next{rows_at(next_group), is_end ? fetch.panels : factors.panels, is_end};
      multiply_square(factors, steps, next, sums + kSquareFloats, fetch);
      store_sums(is_last ? SquareSums{job.out + g * kOperandRows * job.stride + p * kPanelRows, job.stride}
                         : kept);
    }
  }
}

CAIRN_AMX void bf16_pairs(const Bf16Job& job, const Area& area, float* sums) {
  for (int64_t g = area.first_group; g < area.end_group; g += kSumsGroups) {
    for (int64_t p = area.first_panel; p < area.end_panel; p += kSumsPanels) {
      const Area part{g, std::min(g + kSumsGroups, area.end_group), p,
                      std::min(p + kSumsPanels, area.end_panel)};
      for (int64_t step = 0; step < job.x.column_groups(); step += kPieceSteps) {
        bf16_piece(job, part, step, sums);
      }
    }
  }
}

// One row group times four panels: few rows, so as many streams of weights as there are tiles.
CAIRN_AMX void bf16_one_by_four(const Bf16Job& job, int64_t group, int64_t panel) {
  const std::byte* a = job.rows(group);
  const int64_t step = 64 * job.x.rows_in_group(group);
  const std::byte* b = job.panel(panel);
  const int64_t next = job.panel_size;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t c = 0; c < job.x.column_groups(); ++c, b += kTileBytes) {
    for (int64_t p = 0; p < 4; ++p) prefetch_lines<16>(b + p * next + 2 * kTileBytes);
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
  const std::byte* a = job.rows(group);
  const int64_t step = 64 * job.x.rows_in_group(group);
  const std::byte* b = job.panel(panel);
  _tile_zero(0);
  for (int64_t c = 0; c < job.x.column_groups(); ++c) {
    _tile_loadd(4, a + c * step, 64);
    _tile_loadd(6, b + c * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
  }
  alignas(64) float sums[256];
  _tile_stored(0, sums, 64);
  write_rows(job, sums, group, panel);
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
    configure(kOperandRows);
    bf16_pairs(job, {tile.first_group, paired_groups, tile.first_panel, paired_panels}, tile.sums);
  }
  for (int64_t g = tile.first_group; g < group_end; ++g) {
    int64_t panel = g < paired_groups ? paired_panels : tile.first_panel;
    if (panel == panel_end) continue;
    configure(x.rows_in_group(g));
    for (; panel + 4 <= panel_end; panel += 4) bf16_one_by_four(job, g, panel);
    for (; panel < panel_end; ++panel) bf16_one_by_one(job, g, panel);
  }
  _tile_release();
}

}  // namespace cairn

#endif  // __x86_64__
