// Runs the records of a ScheduleTrace through Scheduler::schedule again.
#pragma once

#include <cstdint>
#include <span>

#include "cairn/status.h"

namespace cairn {

// How many steps there are in the trace; kInternal: the first that asks or decides other than recorded.
Result<int64_t> replay_schedule(std::span<const int64_t> trace);

// Tells a StepPace what the trace recorded, from its first step on; kInternal: the first step in which it answers
// otherwise, or has no pace.
Result<int64_t> replay_pace(std::span<const int64_t> trace, int64_t percent, int64_t rows_max);

}  // namespace cairn
