// Panels side by side are streams of memory, which kernels with one row or two ask for ahead of use: the processor's own
// prefetchers stop at the ends of pages and panels.
#pragma once

#include <cstdint>

namespace cairn {

// What is read `ahead` bytes after place `at` of a panel, by one of `panel_count` streams that read as many consecutive
// panels together: past the panel's end the beginning of the panel that the stream reads next. From the panel's beginning.
constexpr int64_t place_ahead(int64_t at, int64_t ahead, int64_t panel_bytes, int64_t panel_count) {
  const int64_t place = at + ahead;
  return place < panel_bytes ? place : place + (panel_count - 1) * panel_bytes;
}

}  // namespace cairn
