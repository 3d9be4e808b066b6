// PlanReport: what `cairn plan` reports, as numbers, and those as text or JSON. Pure, but for reading the
// model's file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "cairn/status.h"
#include "cli/commands.h"
#include "cli/plan_groups.h"
#include "cli/plan_savings.h"
#include "cli/planned_model.h"
#include "engine/memory_plan.h"

namespace cairn {

struct CodecRow {
  std::string codec;
  std::string plan;           // with that codec in all layers
  double bits = 0;            // of an element, scales included
  uint64_t growth_bytes = 0;  // as PlanReport has them
  uint64_t sequence_bytes = 0;
  uint64_t kv_bytes = 0;    // of all sequences, without what is kept for later ones
  uint64_t bare_bytes = 0;  // the same without scales: of the codes alone
  uint64_t open_bytes = 0;  // rows of blocks that are not sealed yet
  uint64_t total_bytes = 0;
  bool fits = false;
  MemoryLimits limits;
};

// With --shared-prefix: the blocks that all sequences share, those that each has besides, and all; of layers that keep
// all positions.
struct SharedBlocks {
  int64_t shared = 0;
  int64_t of_each = 0;
  int64_t in_all = 0;
  int64_t unshared = 0;  // in all, if each sequence had its own
};

// As far as a shape without a context of its own is looked at.
inline constexpr int64_t kLongestShape = int64_t{1} << 20;

struct PlanReport {
  PlannedModel model;
  MemoryWish wish;
  MemoryPlan plan;
  uint64_t position_bytes = 0;  // of keys and values of one position, in all layers
  uint64_t growth_bytes = 0;  // what a position more takes: in layers with a window it pushes another one out
  uint64_t sequence_bytes = 0;   // what one sequence of `context` positions keeps at most, in whole blocks
  bool has_flat_memory = false;  // a text may grow without taking more
  int64_t reach = 0;             // so many positions the model must be made for
  std::vector<GroupRow> groups;
  MemoryFacts machine;
  bool is_this_machine = true;
  bool fits = false;  // where the weights are unknown: keys and values alone do
  MemoryLimits limits;
  uint64_t prefix_saves_bytes = 0;  // with --shared-prefix
  SharedBlocks blocks;
  std::vector<CodecRow> codecs;
  std::vector<Saving> savings;  // what would save
  std::vector<Saved> saved;     // what saves already
  bool explains = false;

  [[nodiscard]] const Config& config() const { return model.sizes.config; }
  [[nodiscard]] bool knows_weights() const { return model.sizes.known == KnownSizes::kAll; }
  [[nodiscard]] bool context_is_beyond_model() const { return reach > config().context_length; }
  [[nodiscard]] bool has_windows() const {
    return std::ranges::any_of(groups, [](const GroupRow& row) { return !row.seen.sees_all(); });
  }
};

// kInvalidArgument: an option that the model cannot have.
Result<PlanReport> make_plan_report(PlannedModel model, const PlanOptions& options,
                                    const MemoryFacts& machine);

[[nodiscard]] std::string plan_text(const PlanReport& report);
[[nodiscard]] std::string plan_json(const PlanReport& report);

// Two decimals, or as many as it takes to see something: 10^9 bytes, and 2^30 bytes.
[[nodiscard]] std::string gb_text(uint64_t bytes);
[[nodiscard]] std::string gib_text(uint64_t bytes);

}  // namespace cairn
