// PlanReport: what `cairn plan` reports, as numbers, and those as text or JSON. Pure, but for reading the
// model's file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "cairn/status.h"
#include "cli/commands.h"
#include "engine/memory_plan.h"

namespace cairn {

// The model that memory is planned for.
struct PlannedModel {
  enum class Source : uint8_t { kFile, kConfig, kPreset, kShape };
  Source source = Source::kFile;
  std::string name;                // path or preset
  std::string weights_type;        // "f16", or "as the file has them"
  bool weights_are_exact = false;  // else all matrices are taken to be of one type
  ModelSizes sizes;
  std::vector<std::string> notes;  // ModelPlan's: what was assumed
};

// Reads the head of the file, or the config.json. Errors: those of opening and of plan_model; kInvalidArgument
// for --kv-heads that the model's query heads cannot share, and for a given shape that lacks a number.
Result<PlannedModel> planned_model(const PlanOptions& options);

struct CodecRow {
  std::string plan;
  double bits = 0;              // of an element, scales included
  uint64_t position_bytes = 0;  // of one position
  uint64_t kv_bytes = 0;        // of all sequences
  uint64_t bare_bytes = 0;      // the same without scales: of the codes alone
  uint64_t open_bytes = 0;      // rows of blocks that are not sealed yet
  uint64_t total_bytes = 0;
  bool fits = false;
  MemoryLimits limits;
};

// What keys and values of all sequences would take if one thing were different.
struct Saving {
  std::string what;
  uint64_t row_bytes = 0;  // open rows included
};

// With --shared-prefix: the blocks that all sequences share, those that each has besides, and all.
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
  uint64_t position_bytes = 0;  // of keys and values
  uint64_t sequence_bytes = 0;  // of one sequence of `context` positions, in whole blocks
  MemoryFacts machine;
  bool is_this_machine = true;
  bool fits = false;  // where the weights are unknown: keys and values alone do
  MemoryLimits limits;
  uint64_t prefix_saves_bytes = 0;  // with --shared-prefix
  SharedBlocks blocks;
  std::vector<CodecRow> codecs;
  std::vector<Saving> savings;
  bool explains = false;

  [[nodiscard]] const Config& config() const { return model.sizes.config; }
  [[nodiscard]] bool knows_weights() const { return model.sizes.known == KnownSizes::kAll; }
  [[nodiscard]] bool context_is_beyond_model() const { return wish.engine.context > config().context_length; }
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
