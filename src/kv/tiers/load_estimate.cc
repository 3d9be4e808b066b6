#include "kv/tiers/load_estimate.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace cairn {
namespace {

constexpr int64_t kFirstDepth = 512;
constexpr uint64_t kPsPerNs = 1000;

uint64_t towards(uint64_t old, uint64_t measured) { return old - old / 4 + measured / 4; }

}  // namespace

LoadEstimate::LoadEstimate(uint64_t block_bytes)
    : block_ns_{block_bytes + 100'000, 10 * block_bytes + 1'000'000} {}

size_t LoadEstimate::depth_of(int64_t position) {
  const auto depth = std::bit_width(static_cast<uint64_t>(position / kFirstDepth));
  return std::min(static_cast<size_t>(depth), kDepths - 1);
}

void LoadEstimate::note_computed(int64_t first_position, int64_t rows, uint64_t ns) {
  if (rows <= 0) return;
  auto& row_ps = row_ps_[depth_of(first_position + rows / 2)];
  const uint64_t measured = ns * kPsPerNs / static_cast<uint64_t>(rows);
  row_ps = row_ps.has_value() ? towards(*row_ps, measured) : measured;
}

// Of the nearest depth that was measured; of two the deeper one.
std::optional<uint64_t> LoadEstimate::row_ps_near(size_t depth) const {
  for (size_t away = 0; away < kDepths; ++away) {
    if (depth + away < kDepths && row_ps_[depth + away].has_value()) return row_ps_[depth + away];
    if (away <= depth && row_ps_[depth - away].has_value()) return row_ps_[depth - away];
  }
  return std::nullopt;
}

std::optional<uint64_t> LoadEstimate::computing_ns(int64_t first_position, int64_t end_position) const {
  uint64_t ps = 0;
  for (int64_t at = first_position; at < end_position;) {
    const size_t depth = depth_of(at);
    const int64_t depth_end = depth + 1 < kDepths ? kFirstDepth << depth : end_position;
    const int64_t end = std::min(end_position, depth_end);
    const auto row_ps = row_ps_near(depth);
    if (!row_ps.has_value()) return std::nullopt;
    ps += *row_ps * static_cast<uint64_t>(end - at);
    at = end;
  }
  return ps / kPsPerNs;
}

void LoadEstimate::note_loaded(Tier tier, int64_t block_count, uint64_t ns) {
  if (block_count <= 0) return;
  const auto i = static_cast<size_t>(tier);
  const uint64_t measured = ns / static_cast<uint64_t>(block_count);
  block_ns_[i] = std::exchange(is_measured_[i], true) ? towards(block_ns_[i], measured) : measured;
}

void LoadEstimate::note_passed_over(Tier tier) {
  uint64_t& block_ns = block_ns_[static_cast<size_t>(tier)];
  block_ns -= block_ns / 16;
}

uint64_t LoadEstimate::loading_ns(Tier tier, int64_t block_count) const {
  return block_ns_[static_cast<size_t>(tier)] * static_cast<uint64_t>(block_count);
}

}  // namespace cairn
