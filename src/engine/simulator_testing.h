// Simulator: a day of an engine in seconds. The engine is the real one, with its queue, scheduler and cache; only the
// forward pass computes nothing, and says what it would have taken. The clock stands still otherwise, so a run is a pure
// function of its options. Tenants keep a window of requests open until so many have been submitted in all. For tests
// only.
//
// Always true after run(), or the test has failed: each request ended exactly once, for a reason that it has; check() was
// clean every now and then; the cache holds nothing any more.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/engine.h"

namespace cairn {

// What a step takes: the weights are read once, each row is computed.
struct SimulatedCost {
  uint64_t read_ns = 40'000'000;
  uint64_t row_ns = 1'000'000;
};

// What a tenant asks for.
struct SimulatedTenant {
  TenantShare share;
  int64_t window = 40;  // requests that it has open at once
  int64_t prompt_min = 1;
  int64_t prompt_max = 200;
  int64_t tokens_max = 20;
  int64_t prefix_count = 3;  // what prompts begin with
};

// One of so many; 0: none.
struct SimulatedTrouble {
  int64_t cancelled = 0;
  int64_t with_deadline = 0;
  int64_t urgent = 0;  // priority 1
};

struct SimulatorOptions {
  uint64_t seed = 1;
  int64_t request_count = 1000;
  std::vector<SimulatedTenant> tenants;
  SimulatedTrouble trouble;
  SimulatedCost cost;
  int64_t max_sequences = 16;
  int64_t pool_blocks = 80;
  std::optional<int64_t> pace;
  // What the engine is told instead of the tenants' own shares: to see that unfairness is noticed.
  std::optional<std::vector<TenantShare>> planted;
  size_t trace_numbers = 0;  // of the ScheduleTrace
};

struct SimulatedUse {
  int64_t row_count = 0;  // while all tenants had work
  int64_t preemptions = 0;
  int64_t request_count = 0;
  // Of the requests without urgency: rows of all tenants from submit to the end, at most.
  int64_t longest_wait_rows = 0;
};

struct SimulatorReport {
  std::vector<SimulatedUse> tenants;
  int64_t step_count = 0;
  int64_t preemptions = 0;
  int64_t cancelled = 0;
  int64_t late = 0;
  uint64_t digest = 0;         // of every end: which request, why, when
  std::vector<int64_t> trace;  // as ScheduleTrace::numbers()

  // How far the tenants' rows are from their weights: 0.05: one had 5 % too much or too little.
  [[nodiscard]] double unfairness(const std::vector<SimulatedTenant>& tenants) const;
};

SimulatorReport simulate(const SimulatorOptions& options);

}  // namespace cairn
