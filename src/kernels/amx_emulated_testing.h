// Test support: the AMX kernels on any AVX-512 machine. Their source is compiled a second time, with an
// emulation of the tile instructions that follows the pseudo-code of Intel's manual (Software Developer's
// Manual, volume 2, TDPBF16PS, TDPBSUD, TILELOADD, ...) and stops where the processor would raise an
// exception.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace cairn {

// Null if the machine lacks the AVX-512 instructions that the kernels use beside the tiles.
[[nodiscard]] const Kernels* emulated_amx_kernels();

struct TestKernels {
  std::string name;
  const Kernels* kernels;
};
// All tables of this machine, and emulated AMX.
[[nodiscard]] std::vector<TestKernels> all_test_kernels();

}  // namespace cairn
