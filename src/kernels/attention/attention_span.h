// The rows of a tile that see one span, sixteen at a time, and the lines of each block that they see. Integers only;
// shared by all attention kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"

namespace cairn {

// Lines of one block: positions [begin, end) % kBlockSize. A new one is empty.
struct LineRange {
  int32_t begin = kBlockSize;
  int32_t end = 0;
  [[nodiscard]] bool empty() const { return begin >= end; }
};

// For each block of the span that begins at position `low`, the lines that some row sees. Nothing else is read: a block
// that no row sees may be missing from the block table, and lines that no row sees may hold NaN.
struct SpanLines {
  int64_t low = 0;
  LineRange block[kSpanBlocks];

  // Adds a range; returns false, and changes nothing, if none of it lies in the span.
  bool add(const VisibleRange& range);
  // The first block from `b` on that some row sees; kSpanBlocks: none.
  [[nodiscard]] int32_t seen_from(int32_t b) const;
};

[[nodiscard]] SpanLines lines_seen(const AttentionTile& tile, int64_t low);

inline constexpr int32_t kGroupRows = 16;

struct RowGroup {
  const VisibleRange* ranges[kGroupRows] = {};
  float* states[kGroupRows] = {};  // of the rows whose ranges these are
  int32_t count = 0;
  SpanLines lines;
};

// The next rows of the tile, from `at` on, that see the span; moves `at` past them. Empty after the last.
[[nodiscard]] RowGroup next_group(const AttentionTile& tile, int64_t low, size_t& at);

// The results of one span for the rows of a group, without their weighted sums.
struct SpanResult {
  alignas(64) float peak[kGroupRows] = {};
  alignas(64) float total[kGroupRows] = {};
};

// A block's keys or values: in the block, or in the open tile that stands in for it.
struct StoredTile {
  const std::byte* data = nullptr;
  int64_t bytes = 0;
  int64_t f32_stride = 0;  // where the tile is f32: floats from line to line; else 0
  [[nodiscard]] bool is_f32() const { return f32_stride != 0; }
  [[nodiscard]] const float* floats() const { return reinterpret_cast<const float*>(data); }
};
// Of block `b` of the span that begins at `low`.
[[nodiscard]] StoredTile stored_keys(const AttentionTile& tile, int64_t low, int32_t b);
[[nodiscard]] StoredTile stored_values(const AttentionTile& tile, int64_t low, int32_t b);

// What a kernel reads after the keys, or values, of block `b`, where it takes first the keys of all blocks of
// a span, then the values: for prefetching. Empty where that is not known.
[[nodiscard]] StoredTile after_keys(const AttentionTile& tile, const SpanLines& lines, int32_t b);
[[nodiscard]] StoredTile after_values(const AttentionTile& tile, const SpanLines& lines, int32_t b);

}  // namespace cairn
