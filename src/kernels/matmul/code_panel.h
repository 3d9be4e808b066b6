// The loops of the AVX2 and AVX-512 products over quantised weights, shared by both: panel after panel, unit
// after unit, a unit's codes and scales expanded once for all rows. An instruction set provides how a unit is
// added to the sums:
//
//   struct Target {
//     // Sixteen f16 to float; `to` is 64-byte aligned.
//     static void widen(const std::byte* from, float* to);
//     // 512 codes to their levels, in place; `codes` is 64-byte aligned.
//     static void look_up(const CodeBook& book, uint8_t* codes);
//     // Adds `unit` to sums [rows][16]; x's index of row 0 and the unit's first 32 columns is `index`.
//     template <TensorType kType>
//     static void add_unit(const CodeUnit& unit, const Operand& x, int64_t index, int64_t rows,
//                          float (*sums)[16]);
//     // sum_panel<kType, Target> compiled for the instruction set.
//     template <TensorType kType>
//     static void panel(const PackedMatrix& w, const Operand& x, int64_t group, int64_t panel, float* out,
//                       int64_t stride);
//   };
#pragma once

#include <cstring>

#include "kernels/kernels.h"
#include "kernels/matmul/expand_codes.h"
#include "kernels/weights/code_types.h"

namespace cairn {

// Groups of 32 columns of one panel: the levels of the first, and the distance in bytes to those of the next.
struct CodeUnit {
  const uint8_t* levels;
  int64_t level_step;
  int64_t groups;
  const float (*scales)[16];
  const float (*minima)[16];
};

// Asks for the unit that is read some thousand bytes later: the processor's own prefetchers fall behind a loop that
// works as long as these on every line. Past the end of the weights it does nothing.
template <TensorType kType>
CAIRN_ALWAYS_INLINE void prefetch_unit(const std::byte* unit) {
  constexpr int64_t kUnitBytes = unit_bytes(kType);
  constexpr int64_t kAhead = kUnitBytes >= 1024 ? 1 : 8;
  for (int64_t line = 0; line < kUnitBytes; line += 64) __builtin_prefetch(unit + kAhead * kUnitBytes + line);
}

// One panel times one row group. q8_0 is read in place (only its scales are widened), eight groups at a time;
// other types are expanded. Always inlined, so that each instruction set compiles it for itself.
template <TensorType kType, typename Target>
CAIRN_ALWAYS_INLINE void sum_panel(const PackedMatrix& w, const Operand& x, int64_t group, int64_t panel,
                                   float* out, int64_t stride) {
  constexpr bool kInPlace = kType == TensorType::kQ8_0;
  constexpr int64_t kUnitBytes = unit_bytes(kType);
  constexpr int64_t kGroups = kInPlace ? 8 : unit_columns(code_format(kType)) / 32;
  const std::byte* data = w.data + panel * panel_bytes(kType, w.columns);
  const int64_t rows = x.rows_in_group(group);
  ExpandedUnit expanded;
  alignas(64) float sums[kOperandRows][16];
  std::memset(sums, 0, static_cast<size_t>(rows) * sizeof sums[0]);
  for (int64_t c = 0; c < x.column_groups(); c += kGroups) {
    CodeUnit unit{expanded.levels[0], 512, kGroups, expanded.scales, expanded.minima};
    if constexpr (kInPlace) {
      unit.levels = reinterpret_cast<const uint8_t*>(data);
      unit.level_step = kUnitBytes;
      unit.groups = x.column_groups() - c < kGroups ? x.column_groups() - c : kGroups;
      for (int64_t i = 0; i < unit.groups; ++i, data += kUnitBytes)
        Target::widen(data + 512, expanded.scales[i]);
    } else {
      prefetch_unit<kType>(data);
      expand_unit<kType, Target>(data, expanded);
      data += kUnitBytes;
    }
    Target::template add_unit<kType>(unit, x, x.first_index(group) + c * rows, rows, sums);
  }
  const int64_t left = w.rows - panel * kPanelRows;
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(out + (group * kOperandRows + row) * stride + panel * kPanelRows, sums[row],
                static_cast<size_t>(left < kPanelRows ? left : kPanelRows) * sizeof(float));
  }
}

template <typename Target>
void sum_panels(const PackedMatrix& w, const Operand& x, const MatmulTile& tile, float* out, int64_t stride) {
  visit_code_type(w.type, [&](auto type) {
    for (int64_t panel = tile.first_panel; panel < tile.first_panel + tile.panel_count; ++panel) {
      for (int64_t g = tile.first_group; g < tile.first_group + tile.group_count; ++g) {
        Target::template panel<decltype(type)::value>(w, x, g, panel, out, stride);
      }
    }
  });
}

}  // namespace cairn
