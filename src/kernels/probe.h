// Measures the machine's peaks: how fast memory can be read, and how many multiply-adds an instruction set
// can do with all operands in registers. For benches, which report their results as shares of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"

namespace cairn {

class ThreadPool;

// One pattern of reading: each thread walks `streams` equal parts of its share side by side, `chunk_bytes` of
// one, then of the next. A core that reads one stream waits for memory; several hide its latency.
struct ReadPattern {
  int streams = 1;
  int chunk_bytes = 64;
};
inline constexpr ReadPattern kReadPatterns[] = {{1, 64},  {2, 64},   {4, 64},   {8, 64},   {4, 512},
                                                {8, 512}, {4, 1024}, {8, 1024}, {8, 4096}, {16, 1024}};

// Reads all of `bytes` once; returns a number that depends on all of them, so that no read is optimised away.
uint64_t read_once(ThreadPool& threads, Isa isa, std::span<const std::byte> bytes, ReadPattern pattern);

// Does `rounds` rounds of independent multiply-adds on every thread; returns the operations done by all
// threads (a multiply-add counts as two).
double multiply_once(ThreadPool& threads, Isa isa, int64_t rounds);

}  // namespace cairn
