// Scheduler: which sequences run in a step, and how many rows of each. Integers only.
//
// Sequences come in the order of arrival, and that is their priority: the walk gives rows to one after the
// other. A sequence with one row to run (decode) always gets it; longer ones (prefill) share a budget of
// rows, so that prompts in chunks and decoding mix in one step. A sequence without pending rows waits for
// something else and is passed over. Where memory runs out, the last sequence that holds rows gives them up
// to an earlier one; where there is no later one, one that waits gives up its own; else the walk ends there.
// Always true: if some sequence has pending rows, then one runs, or the first of them is named as starved.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kv/kv_cache.h"

namespace cairn {

// What the scheduler knows of a sequence.
struct SequenceNeed {
  int64_t held_rows = 0;     // positions whose rows are in the cache
  int64_t pending_rows = 0;  // positions to run before its next token can be picked; 0: it waits
  bool holds_memory = false;
  int64_t unscored_rows = 0;  // of the pending rows, the last ones, whose logits are all wanted (scoring)
};

struct RowGrant {
  int32_t sequence = 0;  // index into the needs
  int32_t row_count = 0;
};

struct StepLimits {
  int64_t prefill_rows = 0;  // of all sequences with more than one pending row, together
  int64_t score_rows = 0;    // unscored rows of all sequences together
  bool cut_prompts = true;   // false: a sequence gets all its pending rows or none
};

// Memory, as the scheduler asks for it.
class RoomKeeper {
 public:
  virtual ~RoomKeeper() = default;
  // Room for all rows of this sequence, held and pending; kNoRoom changes nothing that the sequence holds.
  virtual Room make_room(int32_t sequence) = 0;
  // The sequence gives back all that it holds; its rows will be computed again.
  virtual void take_back(int32_t sequence) = 0;
};

class Scheduler {
 public:
  Scheduler(const StepLimits& limits, int64_t max_sequences);

  struct Plan {
    std::span<const RowGrant> grants;  // in the order of the sequences; valid until the next call
    std::optional<int32_t> starved;    // memory does not suffice for this one even alone
  };
  // Updates `needs` where a sequence gained or lost memory.
  Plan schedule(std::span<SequenceNeed> needs, RoomKeeper& keeper);

 private:
  StepLimits limits_;
  std::vector<RowGrant> grants_;
};

}  // namespace cairn
