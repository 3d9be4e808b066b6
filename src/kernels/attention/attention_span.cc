#include "kernels/attention/attention_span.h"

#include <algorithm>

#include "base/check.h"

namespace cairn {
namespace {

StoredTile in_block(const AttentionTile& tile, const KvTileShape& shape, int64_t block, int64_t offset) {
  DCHECK(tile.sequence.has(block));
  const std::byte* const data = tile.sequence.block(block) + offset;
  return {data, shape.bytes, shape.codec.format == KvFormat::kF32 ? shape.lanes : 0};
}

StoredTile open_tile(const float* floats, int64_t lines, int64_t lanes) {
  return {reinterpret_cast<const std::byte*>(floats), lines * lanes * int64_t{sizeof(float)}, lanes};
}

}  // namespace

bool SpanLines::add(const VisibleRange& range) {
  DCHECK(range.begin >= 0 && range.begin <= range.end);
  const auto first = static_cast<int32_t>(std::clamp<int64_t>(range.begin - low, 0, kSpanSize));
  const auto last = static_cast<int32_t>(std::clamp<int64_t>(range.end - low, 0, kSpanSize));
  if (first >= last) return false;
  for (int32_t b = first / kBlockSize; b * kBlockSize < last; ++b) {
    block[b].begin = std::min(block[b].begin, std::max(first - b * kBlockSize, 0));
    block[b].end = std::max(block[b].end, std::min(last - b * kBlockSize, kBlockSize));
  }
  return true;
}

int32_t SpanLines::seen_from(int32_t b) const {
  while (b < kSpanBlocks && block[b].empty()) ++b;
  return b;
}

SpanLines lines_seen(const AttentionTile& tile, int64_t low) {
  SpanLines lines{.low = low};
  for (const AttentionRow& row : tile.rows) lines.add(row.visible);
  return lines;
}

RowGroup next_group(const AttentionTile& tile, int64_t low, size_t& at) {
  DCHECK(low % kSpanSize == 0);
  RowGroup group;
  group.lines.low = low;
  for (; at < tile.rows.size() && group.count < kGroupRows; ++at) {
    const VisibleRange& range = tile.rows[at].visible;
    if (!group.lines.add(range)) continue;
    group.ranges[group.count] = &range;
    group.states[group.count++] = tile.rows[at].state;
  }
  return group;
}

StoredTile stored_keys(const AttentionTile& tile, int64_t low, int32_t b) {
  const int64_t block = low / kBlockSize + b;
  if (tile.open_keys != nullptr && block == tile.open_block) {
    return open_tile(tile.open_keys, tile.keys.head_dim, kBlockSize);
  }
  return in_block(tile, tile.keys, block, tile.keys_offset);
}

StoredTile stored_values(const AttentionTile& tile, int64_t low, int32_t b) {
  const int64_t block = low / kBlockSize + b;
  if (tile.open_values != nullptr && block == tile.open_block) {
    return open_tile(tile.open_values, kBlockSize, attention_padded(tile.values.head_dim));
  }
  return in_block(tile, tile.values, block, tile.values_offset);
}

StoredTile after_keys(const AttentionTile& tile, const SpanLines& lines, int32_t b) {
  const int32_t next = lines.seen_from(b + 1);
  if (next < kSpanBlocks) return stored_keys(tile, lines.low, next);
  return stored_values(tile, lines.low, lines.seen_from(0));
}

StoredTile after_values(const AttentionTile& tile, const SpanLines& lines, int32_t b) {
  const int32_t next = lines.seen_from(b + 1);
  if (next < kSpanBlocks) return stored_values(tile, lines.low, next);
  const int64_t behind = lines.low + kSpanSize;
  const VisibleRange& first = tile.rows[0].visible;
  const bool goes_on = first.begin <= behind && first.end > behind;
  return goes_on ? stored_keys(tile, behind, 0) : StoredTile{};
}

}  // namespace cairn
