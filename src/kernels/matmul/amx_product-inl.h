// The matrix product by AMX, for weights of any form: Weights says where the tiles of a panel are, and what is to be done
// meanwhile. An output's sum is one chain of TDPBF16PS over ascending steps of 32 columns, for every number of rows:
//   few rows    up to four row groups: panels side by side, all columns at once, sums in tiles
//   many rows   blocks of 512 rows x 256 outputs x 512 columns: 2 x 2 tiles of sums at a time over a piece of columns;
//               between pieces the sums rest in memory, exactly
// What is not whole (the last rows, the last panel) is computed like the rest, from whatever lies behind, and not
// written.
//
// Sizes are those that measured best where a core's second-level cache holds 2 MiB: the sums and a piece of the rows
// (512 KiB each) stay there, a piece of two panels (32 KiB) in first-level cache while it meets all rows.
//
// Only for files that compile functions with CAIRN_AMX.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/avx512.h"
#include "kernels/kernels.h"
#include "kernels/matmul/amx_tiles-inl.h"

namespace cairn {
namespace {  // NOLINT(google-build-namespaces): every file that includes it compiles its own, as tests do

inline constexpr int64_t kTileBytes = 1024;

struct AmxJob {
  const PackedMatrix& w;
  const Operand& x;
  float* out;
  int64_t stride;

  [[nodiscard]] int64_t steps() const { return x.column_groups(); }
  [[nodiscard]] const std::byte* rows(int64_t group) const {
    return reinterpret_cast<const std::byte*>(x.bf16 + 32 * x.first_index(group));
  }
  // Bytes from one step's tile of rows to the next.
  [[nodiscard]] int64_t row_step(int64_t group) const { return 64 * x.rows_in_group(group); }
};

// Writes a tile of sums [16][stride]: of the rows and outputs, those that exist.
CAIRN_AMX_INLINE void write_sums(const AmxJob& job, const float* sums, int64_t sums_stride, int64_t group,
                                 int64_t panel) {
  for (int64_t r = 0; r < job.x.rows_in_group(group); ++r) {
    store_sum(_mm512_loadu_ps(sums + r * sums_stride), job.w.rows - panel * 16,
              job.out + (group * kOperandRows + r) * job.stride + panel * 16);
  }
}

CAIRN_AMX_INLINE void configure_tiles(int64_t rows) {
  TileConfig config;
  for (int tile = 0; tile < 6; ++tile) config.set(tile, rows, 64);
  for (int tile = 6; tile < 8; ++tile) config.set(tile, 16, 64);
  load_config(config);
}

// ---- few rows ----

// Of kPanels panels side by side:
// template <int kPanels> struct FewWeights {
//   static constexpr int64_t kLag;  // steps from prepare() to at()
//   FewWeights(const PackedMatrix& w, int64_t first_panel);
//   void prepare(int panel, int64_t step);  // of the panels from first_panel on; each step once, ascending
//   const std::byte* at(int panel, int64_t step) const;
// };

// kGroups row groups from `group` on times kPanels panels from `panel` on.
template <template <int> class FewWeights, int kGroups, int kPanels>
class FewRows {
  static_assert(kGroups * kPanels <= 4);

 public:
  CAIRN_AMX_INLINE static void multiply(const AmxJob& job, int64_t group, int64_t panel) {
    FewRows(job, group, panel).run();
  }

 private:
  CAIRN_AMX_INLINE FewRows(const AmxJob& job, int64_t group, int64_t panel)
      : job_(job), group_(group), panel_(panel), weights_(job.w, panel) {
    for (int g = 0; g < kGroups; ++g) rows_[g] = job.rows(group + g), row_step_[g] = job.row_step(group + g);
  }

  CAIRN_AMX_INLINE void run() {
    zero_tile<0>();
    zero_tile<1>();
    zero_tile<2>();
    zero_tile<3>();
    const int64_t steps = job_.steps();
    for (int64_t s = 0; s < steps + FewWeights<kPanels>::kLag; ++s) {
      step_of_panel<0>(s, steps);
      if constexpr (kPanels > 1) step_of_panel<1>(s, steps);
      if constexpr (kPanels > 2) step_of_panel<2>(s, steps);
      if constexpr (kPanels > 3) step_of_panel<3>(s, steps);
    }
    alignas(64) float sums[4][256];
    store_tile<0>(sums[0], 64);
    store_tile<1>(sums[1], 64);
    store_tile<2>(sums[2], 64);
    store_tile<3>(sums[3], 64);
    settle_memory();
    for (int p = 0; p < kPanels; ++p) {
      for (int g = 0; g < kGroups; ++g) write_sums(job_, sums[p * kGroups + g], 16, group_ + g, panel_ + p);
    }
  }

  template <int p>
  CAIRN_AMX_INLINE void step_of_panel(int64_t prepared, int64_t steps) {
    if (prepared < steps) weights_.prepare(p, prepared);
    const int64_t step = prepared - FewWeights<kPanels>::kLag;
    if (step < 0) return;
    load_tile<6 + p % 2>(weights_.at(p, step), 64);
    multiply_group<p, 0>(step);
    if constexpr (kGroups > 1) multiply_group<p, 1>(step);
    if constexpr (kGroups > 2) multiply_group<p, 2>(step);
    if constexpr (kGroups > 3) multiply_group<p, 3>(step);
  }

  template <int p, int g>
  CAIRN_AMX_INLINE void multiply_group(int64_t step) {
    constexpr int kRows = 4 + g % 2;
    if constexpr (p == 0)
      load_tile<kRows>(rows_[g] + step * row_step_[g], 64);  // more panels: at most two groups
    multiply_tiles<p * kGroups + g, kRows, 6 + p % 2>();
  }

  const AmxJob& job_;
  int64_t group_, panel_;
  FewWeights<kPanels> weights_;
  const std::byte* rows_[kGroups];
  int64_t row_step_[kGroups];
};

template <template <int> class FewWeights, int kGroups>
CAIRN_AMX void few_rows_of(const AmxJob& job, const MatmulTile& tile) {
  constexpr int kPanels = 4 / kGroups;
  configure_tiles(kGroups == 1 ? job.x.rows_in_group(tile.first_group) : kOperandRows);
  const int64_t end = tile.first_panel + tile.panel_count;
  int64_t panel = tile.first_panel;
  for (; panel + kPanels <= end; panel += kPanels) {
    FewRows<FewWeights, kGroups, kPanels>::multiply(job, tile.first_group, panel);
  }
  for (; panel < end; ++panel) FewRows<FewWeights, kGroups, 1>::multiply(job, tile.first_group, panel);
  _tile_release();
}

inline constexpr int64_t kFewGroups = 4;

template <template <int> class FewWeights>
CAIRN_AMX void few_rows(const AmxJob& job, const MatmulTile& tile) {
  switch (tile.group_count) {
    case 1: return few_rows_of<FewWeights, 1>(job, tile);
    case 2: return few_rows_of<FewWeights, 2>(job, tile);
    case 3: return few_rows_of<FewWeights, 3>(job, tile);
    default: return few_rows_of<FewWeights, 4>(job, tile);
  }
}

// ---- many rows ----

inline constexpr int64_t kPieceSteps = kPieceColumns / 32;
inline constexpr int64_t kSquareFloats = 4 * 256;

// A pair of panels over a piece of columns.
struct Piece {
  int64_t panels[2];  // twice the same where the last one is alone
  int64_t first_step;
  int64_t steps;
};

// struct ManyWeights {
//   ManyWeights(const PackedMatrix& w, std::byte* memory);  // kPieceBytes of it, twice
//   void begin(const Piece& piece);          // ends what was being prepared, which is now read; begins to prepare this one
//   int64_t work() const;                    // units of work that preparing it takes
//   void work_on(int64_t unit);              // ascending
//   const std::byte* panel(int i) const;     // of what is read: its tiles
// };

// Work that is spread evenly over so many steps.
struct Spread {
  int64_t units;
  int64_t steps;
  int64_t owed = 0;
  int64_t done = 0;

  template <class Function>
  CAIRN_AMX_INLINE void step(const Function& work_on) {
    for (owed += units; owed >= steps; owed -= steps) work_on(done++);
  }
};

struct RowTiles {
  const std::byte* first;
  const std::byte* second;
  int64_t first_step;  // bytes from tile to tile
  int64_t second_step;
};

struct SquareSums {  // 32 rows of 32 floats, `stride` floats apart
  float* at;
  int64_t stride;

  template <int kTile>
  CAIRN_AMX_INLINE void take() const {
    store_tile<kTile>(place(kTile), stride * int64_t{sizeof(float)});
  }
  template <int kTile>
  CAIRN_AMX_INLINE void give() const {
    load_tile<kTile>(place(kTile), stride * int64_t{sizeof(float)});
  }

 private:
  [[nodiscard]] CAIRN_AMX_INLINE float* place(int tile) const {
    return at + tile / 2 * 16 * stride + tile % 2 * 16;
  }
};

// What a square of 2 x 2 tiles multiplies, where its sums go, and where the next square's sums come from (null: from 0).
struct Square {
  RowTiles rows;
  const std::byte* panels[2];
  int64_t steps;
  SquareSums to;
  float* next;
};

template <int kTile>
CAIRN_AMX_INLINE void turn(const Square& square) {
  square.to.take<kTile>();
  if (square.next == nullptr) {
    zero_tile<kTile>();
  } else {
    SquareSums{square.next, 32}.give<kTile>();
  }
}

// Tiles 0-3 hold the sums so far. The last two steps are taken sum by sum, so that a finished sum leaves, and the next
// square's comes, while the last products of the others run. Each sum's order is the same in all forms.
template <class Between>
CAIRN_AMX_INLINE void multiply_square(const Square& square, const Between& between) {
  const RowTiles& rows = square.rows;
  const auto step = [&](int64_t s) __attribute__((target(CAIRN_AMX_TARGET), always_inline)) {
    between();
    pass_tile<4>(rows.first + s * rows.first_step, 64);
    load_tile<6>(square.panels[0] + s * kTileBytes, 64);
    multiply_tiles<0, 4, 6>();
    load_tile<7>(square.panels[1] + s * kTileBytes, 64);
    multiply_tiles<1, 4, 7>();
    pass_tile<5>(rows.second + s * rows.second_step, 64);
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
  };
  const int64_t last = square.steps - 2;
  for (int64_t s = 0; s < last; ++s) step(s);
  if (last < 0) {
    step(0);
    turn<0>(square);
    turn<1>(square);
    turn<2>(square);
    turn<3>(square);
    return;
  }
  const std::byte* const first = rows.first + last * rows.first_step;
  const std::byte* const second = rows.second + last * rows.second_step;
  const std::byte* const left = square.panels[0] + last * kTileBytes;
  const std::byte* const right = square.panels[1] + last * kTileBytes;
  pass_tile<4>(first, 64);
  load_tile<6>(left, 64);
  multiply_tiles<0, 4, 6>();
  pass_tile<5>(first + rows.first_step, 64);
  load_tile<7>(left + kTileBytes, 64);
  multiply_tiles<0, 5, 7>();
  load_tile<6>(right, 64);
  multiply_tiles<1, 4, 6>();
  load_tile<7>(right + kTileBytes, 64);
  multiply_tiles<1, 5, 7>();
  turn<0>(square);
  pass_tile<4>(second, 64);
  multiply_tiles<3, 4, 6>();
  pass_tile<5>(second + rows.second_step, 64);
  multiply_tiles<3, 5, 7>();
  turn<1>(square);
  load_tile<6>(left, 64);
  multiply_tiles<2, 4, 6>();
  load_tile<7>(left + kTileBytes, 64);
  multiply_tiles<2, 5, 7>();
  turn<3>(square);
  turn<2>(square);
}

// At most kSumsGroups row groups times kSumsPanels panels, all columns.
template <class ManyWeights>
class Block {
 public:
  CAIRN_AMX_INLINE Block(const AmxJob& job, const MatmulTile& area, ManyWeights& weights)
      : job_(job),
        area_(area),
        weights_(weights),
        pairs_((area.panel_count + 1) / 2),
        turns_((area.group_count + 1) / 2),
        pieces_((job.steps() + kPieceSteps - 1) / kPieceSteps * pairs_) {}

  CAIRN_AMX_INLINE void run() {
    weights_.begin(piece(0));
    for (int64_t u = 0; u < weights_.work(); ++u) weights_.work_on(u);
    zero_tile<0>();
    zero_tile<1>();
    zero_tile<2>();
    zero_tile<3>();
    for (int64_t i = 0; i < pieces_; ++i) multiply_piece(i);
  }

 private:
  [[nodiscard]] CAIRN_AMX_INLINE Piece piece(int64_t i) const {
    const int64_t left = area_.first_panel + i % pairs_ * 2;
    const int64_t right = std::min(left + 1, area_.first_panel + area_.panel_count - 1);
    const int64_t first = i / pairs_ * kPieceSteps;
    return {{left, right}, first, std::min(kPieceSteps, job_.steps() - first)};
  }
  [[nodiscard]] CAIRN_AMX_INLINE int64_t group_of(int64_t turn) const { return area_.first_group + 2 * turn; }
  // The second group of a turn; the first again where the last one is alone.
  [[nodiscard]] CAIRN_AMX_INLINE int64_t second_of(int64_t turn) const {
    return std::min(group_of(turn) + 1, area_.first_group + area_.group_count - 1);
  }

  // Whether all of a square is written: 32 rows, 32 outputs.
  [[nodiscard]] CAIRN_AMX_INLINE bool is_whole(const Piece& p, int64_t turn) const {
    const bool outputs = p.panels[1] != p.panels[0] && (p.panels[1] + 1) * kPanelRows <= job_.w.rows;
    const int64_t second = second_of(turn);
    return outputs && second != group_of(turn) && job_.x.rows_in_group(second) == kOperandRows;
  }

  CAIRN_AMX_INLINE void multiply_piece(int64_t i) {
    const Piece now = piece(i);
    const bool is_last = now.first_step + now.steps == job_.steps();
    const bool is_end = i + 1 == pieces_;
    weights_.begin(is_end ? Piece{{now.panels[0], now.panels[1]}, 0, 0} : piece(i + 1));
    // What is prepared meanwhile: the next piece's weights, and its share of the rows of the next piece of columns.
    Spread weights{weights_.work(), turns_ * std::max<int64_t>(now.steps - 2, 1)};
    const auto prepare = [&](int64_t unit) __attribute__((target(CAIRN_AMX_TARGET), always_inline)) {
      weights_.work_on(unit);
    };
    for (int64_t t = 0; t < turns_; ++t) {
      const bool to_out = is_last && is_whole(now, t);
      float* const kept = sums_of(i, t);
      const bool next_is_new = t + 1 < turns_ ? now.first_step == 0 : is_end || piece(i + 1).first_step == 0;
      const Square square{rows_of(now, t),
                          {weights_.panel(0), weights_.panel(1)},
                          now.steps,
                          to_out ? SquareSums{out_of(now, t), job_.stride} : SquareSums{kept, 32},
                          next_is_new      ? nullptr
                          : t + 1 < turns_ ? sums_of(i, t + 1)
                                           : sums_of(i + 1, 0)};
      Lines rows = rows_ahead(now, t, i % pairs_);
      multiply_square(square, [&]() __attribute__((target(CAIRN_AMX_TARGET), always_inline)) {
        weights.step(prepare);
        rows.spread.step([&](int64_t line) __attribute__((target(CAIRN_AMX_TARGET), always_inline)) {
          _mm_prefetch(reinterpret_cast<const char*>(rows.at) + 64 * line, _MM_HINT_T1);
        });
      });
      if (is_last && !to_out) write_part(now, t, kept);
    }
    while (weights.done < weights.units) weights_.work_on(weights.done++);
  }

  [[nodiscard]] CAIRN_AMX_INLINE float* sums_of(int64_t i, int64_t turn) const {
    return area_.work + (i % pairs_ * turns_ + turn) * kSquareFloats;
  }
  [[nodiscard]] CAIRN_AMX_INLINE float* out_of(const Piece& p, int64_t turn) const {
    return job_.out + group_of(turn) * kOperandRows * job_.stride + p.panels[0] * kPanelRows;
  }
  [[nodiscard]] CAIRN_AMX_INLINE RowTiles rows_of(const Piece& p, int64_t turn) const {
    const int64_t a = group_of(turn), b = second_of(turn);
    const int64_t a_step = job_.row_step(a), b_step = job_.row_step(b);
    return {job_.rows(a) + p.first_step * a_step, job_.rows(b) + p.first_step * b_step, a_step, b_step};
  }

  struct Lines {
    const std::byte* at;
    Spread spread;
  };
  // Of the rows of this turn in the next piece of columns, the lines that are asked for while this pair of panels is
  // multiplied: each pair asks for its part, of one group after the other.
  [[nodiscard]] CAIRN_AMX_INLINE Lines rows_ahead(const Piece& p, int64_t turn, int64_t pair) const {
    const int64_t first = p.first_step + p.steps;
    const int64_t of_group = std::min(kPieceSteps, job_.steps() - first) * kTileBytes / 64;
    const int64_t of_pair = (2 * of_group + pairs_ - 1) / pairs_;
    const int64_t line = pair * of_pair;
    const int64_t group = line < of_group ? group_of(turn) : second_of(turn);
    return {job_.rows(group) + first * job_.row_step(group) + line % std::max<int64_t>(of_group, 1) * 64,
            {of_pair, std::max<int64_t>(p.steps - 2, 1)}};
  }

  CAIRN_AMX_INLINE void write_part(const Piece& p, int64_t turn, const float* sums) const {
    settle_memory();
    const int64_t groups[2] = {group_of(turn), second_of(turn)};
    for (int g = 0; g < (groups[1] == groups[0] ? 1 : 2); ++g) {
      for (int q = 0; q < (p.panels[1] == p.panels[0] ? 1 : 2); ++q) {
        write_sums(job_, sums + g * 16 * 32 + q * 16, 32, groups[g], p.panels[q]);
      }
    }
  }

  const AmxJob& job_;
  const MatmulTile& area_;
  ManyWeights& weights_;
  int64_t pairs_, turns_, pieces_;
};

template <class ManyWeights>
CAIRN_AMX void many_rows(const AmxJob& job, const MatmulTile& tile) {
  configure_tiles(kOperandRows);
  ManyWeights weights(job.w, reinterpret_cast<std::byte*>(tile.work + kSumsFloats));
  const int64_t group_end = tile.first_group + tile.group_count;
  const int64_t panel_end = tile.first_panel + tile.panel_count;
  for (int64_t g = tile.first_group; g < group_end; g += kSumsGroups) {
    for (int64_t p = tile.first_panel; p < panel_end; p += kSumsPanels) {
      const MatmulTile area{p, std::min(kSumsPanels, panel_end - p), g, std::min(kSumsGroups, group_end - g),
                            tile.work};
      Block<ManyWeights>(job, area, weights).run();
    }
  }
  _tile_release();
}

}  // namespace
}  // namespace cairn

#endif  // __x86_64__
