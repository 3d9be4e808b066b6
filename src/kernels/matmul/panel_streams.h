// Panels side by side are streams of memory: how a tile takes them, and what kernels with one row or two ask for ahead of use,
// since the processor's own prefetchers stop at the ends of pages and panels.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace cairn {

// What is read `ahead` bytes after place `at` of a panel, by one of `panel_count` streams that read as many consecutive
// panels together: past the panel's end the beginning of the panel that the stream reads next. From the panel's beginning.
constexpr int64_t place_ahead(int64_t at, int64_t ahead, int64_t panel_bytes, int64_t panel_count) {
  const int64_t place = at + ahead;
  return place < panel_bytes ? place : place + (panel_count - 1) * panel_bytes;
}

// Calls several(panel) for each kPanels panels of the tile, and one(panel) for those left.
template <int kPanels, typename Several, typename One>
void visit_panels(const MatmulTile& tile, const Several& several, const One& one) {
  const int64_t end = tile.first_panel + tile.panel_count;
  int64_t panel = tile.first_panel;
  for (; panel + kPanels <= end; panel += kPanels) several(panel);
  for (; panel < end; ++panel) one(panel);
}

}  // namespace cairn
