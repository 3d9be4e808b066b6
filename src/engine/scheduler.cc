#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace cairn {
namespace {

// The last sequence after `index` that holds memory: the latest to arrive, so the least has been done for it.
// Where there is none, the last of those before it that wait.
std::optional<int32_t> find_victim(std::span<const SequenceNeed> needs, int32_t index) {
  for (auto j = static_cast<int32_t>(needs.size()) - 1; j >= 0; --j) {
    const SequenceNeed& need = needs[static_cast<size_t>(j)];
    if (need.holds_memory && (j > index || need.pending_rows == 0)) return j;
  }
  return std::nullopt;
}

Room make_room(std::span<SequenceNeed> needs, int32_t index, RoomKeeper& keeper) {
  while (keeper.make_room(index) == Room::kNoRoom) {
    const std::optional<int32_t> victim = find_victim(needs, index);
    if (!victim.has_value()) return Room::kNoRoom;
    keeper.take_back(*victim);
    SequenceNeed& loser = needs[static_cast<size_t>(*victim)];
    loser.pending_rows = 0;  // it begins again in another step
    loser.held_rows = 0;
    loser.holds_memory = false;
  }
  needs[static_cast<size_t>(index)].holds_memory = true;
  return Room::kOk;
}

}  // namespace

Scheduler::Scheduler(const StepLimits& limits, int64_t max_sequences) : limits_(limits) {
  CHECK(limits.prefill_rows >= 1);
  CHECK(limits.score_rows >= 1);
  grants_.reserve(static_cast<size_t>(max_sequences));
}

Scheduler::Plan Scheduler::schedule(std::span<SequenceNeed> needs, RoomKeeper& keeper) {
  grants_.clear();
  int64_t prefill_left = limits_.prefill_rows;
  int64_t score_left = limits_.score_rows;
  for (int32_t i = 0; i < static_cast<int32_t>(needs.size()); ++i) {
    const SequenceNeed& need = needs[static_cast<size_t>(i)];
    if (need.pending_rows == 0) continue;
    int64_t rows = need.pending_rows;
    const bool is_prefill = rows > 1;
    if (is_prefill) rows = std::min(rows, prefill_left);
    const int64_t plain_rows = need.pending_rows - need.unscored_rows;
    rows = std::min(rows, plain_rows + score_left);
    if (rows == 0 || (rows < need.pending_rows && !limits_.cut_prompts)) continue;

    if (make_room(needs, i, keeper) == Room::kNoRoom) {
      // Later ones came later: they do not overtake.
      return {grants_, grants_.empty() ? std::optional(i) : std::nullopt};
    }
    grants_.push_back({i, static_cast<int32_t>(rows)});
    if (is_prefill) prefill_left -= rows;
    score_left -= std::max<int64_t>(0, rows - plain_rows);
  }
  CHECK(!grants_.empty() ||
        std::ranges::all_of(needs, [](const SequenceNeed& need) { return need.pending_rows == 0; }));
  return {grants_, std::nullopt};
}

}  // namespace cairn
