// What would make the keys and values of a plan smaller, and what makes them smaller already. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/memory_plan.h"

namespace cairn {

// What keys and values of all sequences would take if one thing were different.
struct Saving {
  std::string what;
  uint64_t row_bytes = 0;  // open rows, and what is kept for later sequences, included
};

// What they take with a kind of windows, and would take without it.
struct Saved {
  enum class By : uint8_t { kModel, kPlan };
  By by{};
  uint64_t without_bytes = 0;  // likewise
  uint64_t with_bytes = 0;
};

// Smaller elements, a prefix in common, a window where there is none; each by itself, and only what is less than
// `plan`, which is the wish's.
Result<std::vector<Saving>> savings_of(const ModelSizes& model, const MemoryWish& wish,
                                       const MemoryPlan& plan);

// The model's own windows, against keeping all positions; then the KV plan's retention, against the same plan without
// it, where it has one. Nothing where keeping all is more than can be counted, as of a text without end.
Result<std::vector<Saved>> saved_by_windows(const ModelSizes& model, const MemoryWish& wish);

}  // namespace cairn
