#include "cli/plan_groups.h"

#include <algorithm>

#include "cli/window_words.h"

namespace cairn {
namespace {

using Origin = GroupRow::Origin;

// A layer whose own window is at most the plan's keeps it.
Origin origin_of(const Config& config, const KvGeometry& geometry, int32_t group) {
  const Visibility& seen = geometry.visibility(group);
  if (seen.sees_all()) return Origin::kNoWindow;
  bool is_of_model = false;
  bool is_of_plan = false;
  for (int64_t layer = 0; layer < geometry.layer_count(); ++layer) {
    if (geometry.group_of(layer) != group) continue;
    const bool is_own = seen == Visibility{.window = config.layers[static_cast<size_t>(layer)].window};
    (is_own ? is_of_model : is_of_plan) = true;
  }
  if (is_of_model && is_of_plan) return Origin::kBoth;
  return is_of_model ? Origin::kModel : Origin::kPlan;
}

}  // namespace

std::vector<GroupRow> group_rows(const Config& config, const KvGeometry& geometry, const KvMemory& memory,
                                 int64_t context) {
  std::vector<GroupRow> rows;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    const auto g = static_cast<size_t>(group);
    const int64_t blocks = memory.pool_blocks[g] - memory.resume_blocks[g];
    const uint64_t block_bytes = geometry.block_bytes(group);
    rows.push_back({.layers = layer_ranges(geometry, group),
                    .seen = geometry.visibility(group),
                    .origin = origin_of(config, geometry, group),
                    .positions = std::min(memory.sequence_blocks[g] * kBlockSize, context),
                    .block_count = blocks,
                    .bytes = static_cast<uint64_t>(blocks) * block_bytes,
                    .resume_block_count = memory.resume_blocks[g],
                    .resume_bytes = static_cast<uint64_t>(memory.resume_blocks[g]) * block_bytes});
  }
  return rows;
}

}  // namespace cairn
