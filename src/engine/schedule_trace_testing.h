// Runs the records of a ScheduleTrace through Scheduler::schedule again.
#pragma once

#include <cstdint>
#include <span>

#include "cairn/status.h"

namespace cairn {

// How many steps there are in the trace; kInternal: the first that asks or decides other than recorded.
Result<int64_t> replay_schedule(std::span<const int64_t> trace);

}  // namespace cairn
