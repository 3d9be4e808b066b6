// GroupRow: what one group of layers keeps, for `cairn plan`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "kernels/visibility.h"
#include "kv/kv_cache.h"
#include "model/config.h"

namespace cairn {

// Layers that see the same.
struct GroupRow {
  enum class Origin : uint8_t { kNoWindow, kModel, kPlan, kBoth };

  std::string layers;  // "0-4, 6-10"
  Visibility seen;
  Origin origin = Origin::kNoWindow;  // whose window it is
  int64_t positions = 0;              // that a sequence keeps at most, between steps
  // Of all sequences, with what a step needs besides; without what is kept for later ones.
  int64_t block_count = 0;
  uint64_t bytes = 0;
  int64_t resume_block_count = 0;
  uint64_t resume_bytes = 0;
};

// `memory` is of sequences of `context` positions.
[[nodiscard]] std::vector<GroupRow> group_rows(const Config& config, const KvGeometry& geometry,
                                               const KvMemory& memory, int64_t context);

}  // namespace cairn
