// Test support: the AMX kernels on any machine with AVX2. Their source is compiled a second time, with an emulation of
// the 512-bit instructions (avx512_emulated_testing.h) and of the tile instructions, which follows the pseudo-code of
// Intel's manual (Software Developer's Manual, volume 2, TDPBF16PS, TILELOADD, ...) and stops where the processor would
// raise an exception.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/attention_span.h"
#include "kernels/kernels.h"

namespace cairn {

// Null if the machine lacks AVX2.
[[nodiscard]] const Kernels* emulated_amx_kernels();

// The pairs of bf16 that attention by AMX multiplies: [squares of 32 lines x 32 lanes][lanes 0-15, 16-31][16 pairs of
// lines][16 lanes][2]. Of values only the lines of `seen` are read. Empty where emulated_amx_kernels() is null.
[[nodiscard]] std::vector<uint16_t> emulated_pairs(const KvTileShape& shape, const StoredTile& stored,
                                                   LineRange seen);

struct TestKernels {
  std::string name;
  const Kernels* kernels;
};
// All tables of this machine, and emulated AMX.
[[nodiscard]] std::vector<TestKernels> all_test_kernels();

}  // namespace cairn
