// Scheduler: which sequences run in a step, and how many rows of each. Integers only: the same needs, limits and
// answers about memory give the same plan (schedule_trace.h records them).
//
// Sequences come in the order in which they are served. One with a single row to run (decode) always gets it, scored or
// not. Longer ones (prompts) share a budget of rows, and one of scored rows: those of the tenant that has had least are
// first, and among its own most of each budget goes to them in order, a quarter to the shortest first, so that a short
// prompt does not wait for all of a long one, nor a short text that is scored. What they leave is for the next tenant's.
// A sequence without pending rows is passed over. Memory is allotted in order: where it runs out, a victim loses its
// rows (find_victim); where there is no victim, the rest of the sequences wait. Where the quota of a tenant is used up, a
// victim is looked for among its own sequences alone, and where there is none only that sequence waits: its rows are for
// the others.
// Always true: if some sequence has pending rows, then one runs, or one is named that exceeds its tenant's quota (what it
// holds is free when it has ended), or the first of them is named as starved. The first of each tenant does not stand
// still for a quota, unless it exceeds it alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kv/kv_cache.h"

namespace cairn {

// What the scheduler knows about a sequence.
struct SequenceNeed {
  int64_t held_rows = 0;  // positions whose rows are in the cache
  int64_t pending_rows =
      0;  // positions to run before its next token can be picked; 0: it waits for its caller
  bool holds_memory = false;
  bool is_restoring =
      false;  // its rows are on their way from elsewhere: it takes no part, and keeps what it has
  int64_t unscored_rows = 0;  // of the pending rows, the last ones, whose logits are all wanted (scoring)
  uint32_t tenant = 0;
  int64_t served = 0;  // what its tenant has had: prompts with less of it are first to get rows
};

struct RowGrant {
  int32_t sequence = 0;  // index into the needs
  int32_t row_count = 0;
};

// Of all sequences with more than one pending row, together; both at least 1.
struct StepLimits {
  int64_t prefill_rows = 0;
  int64_t score_rows = 0;  // unscored ones
};

// Where the rows of a step may end: what the cache can go on from.
enum class PromptCuts : uint8_t {
  kAnywhere,
  // Rows that go past the end of a block that was begun before, or are not all of a prompt, end with a block. So no step
  // leaves rows in a new open block over those of an old one: one that fails costs no row that was there before.
  kAtBlockEnds,
  kNowhere,  // a sequence gets all its pending rows or none; the limits must suffice for that
};

// The one rule by which a sequence loses its rows: the last one that waits for its caller; where there is none, and
// `asker` needs memory, the last that runs and comes after it. Without an asker a place is needed for one that has
// none: no running sequence loses its rows for that.
[[nodiscard]] std::optional<int32_t> find_victim(std::span<const SequenceNeed> needs,
                                                 std::optional<int32_t> asker);

// Likewise where the tenant of `asker` has used up its quota: of the same tenant.
[[nodiscard]] std::optional<int32_t> find_victim_of_tenant(std::span<const SequenceNeed> needs,
                                                           int32_t asker);

// How the scheduler gets memory, and takes it from a victim.
class RoomKeeper {
 public:
  virtual ~RoomKeeper() = default;
  // Room for all rows of this sequence, held and pending; else nothing has changed for the sequence.
  virtual Room make_room(int32_t sequence) = 0;
  // How much it lacks for that, and how much of what this sequence holds would be free without it: in whatever make_room
  // said last that there is too little of.
  [[nodiscard]] virtual int64_t missing(int32_t sequence) const = 0;
  [[nodiscard]] virtual int64_t freed_by(int32_t sequence) const = 0;
  // The sequence loses all its memory; its rows will be found or computed again.
  virtual void take_back(int32_t sequence) = 0;
};

class Scheduler {
 public:
  explicit Scheduler(int64_t max_sequences, PromptCuts cuts = PromptCuts::kAnywhere);

  [[nodiscard]] PromptCuts cuts() const { return cuts_; }

  struct Plan {
    std::span<const RowGrant> grants;  // in the order of the sequences; valid until the next call
    std::optional<int32_t> starved;    // memory does not suffice for this one even alone
    std::optional<int32_t> blocked;    // the first that waits for memory which earlier ones hold
    // Those that wait for others of their tenants, and those that their tenants' quotas have no room for.
    std::span<const int32_t> over_quota;  // valid until the next call
    std::span<const int32_t> exceeding;
  };
  // Updates `needs` where a sequence gained or lost memory.
  Plan schedule(std::span<SequenceNeed> needs, const StepLimits& limits, RoomKeeper& keeper);

 private:
  void set_order(std::span<const SequenceNeed> needs);
  [[nodiscard]] bool is_by_key() const;
  std::optional<int32_t> grant(std::span<SequenceNeed> needs, int32_t first, RoomKeeper& keeper);
  [[nodiscard]] Room get_room(std::span<SequenceNeed> needs, int32_t i, int32_t first, RoomKeeper& keeper);
  [[nodiscard]] bool stands_still(int32_t i) const { return stands_still_[static_cast<size_t>(i)] != 0; }
  [[nodiscard]] std::optional<int32_t> first_pending(std::span<const SequenceNeed> needs) const;
  void share_rows(std::span<const SequenceNeed> needs, const StepLimits& limits);
  void sort_shortest(std::span<const SequenceNeed> needs);
  void end_on_blocks(std::span<const SequenceNeed> needs);

  PromptCuts cuts_;
  std::vector<RowGrant> grants_;
  std::vector<int32_t> rows_;       // of each need, in this step
  std::vector<int32_t> order_;      // of needs, in which prompts get rows
  std::vector<int32_t> shortest_;   // prompts, by what they still need
  std::vector<char> stands_still_;  // by need: for its tenant's quota
  std::vector<int32_t> over_quota_;
  std::vector<int32_t> exceeding_;
};

}  // namespace cairn
