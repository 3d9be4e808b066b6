// Counts what this test binary takes from the heap: operator new is replaced.
#pragma once

#include <cstdint>

namespace cairn {

// Since the program's start, on all threads.
uint64_t allocation_count();

}  // namespace cairn
