// Stateless random numbers: a pure function of (seed, stream, counter).
//
// Always true: the same three integers give the same bits, on every machine, in any order, from any
// thread. A draw belongs to a place (a sample's index, a position, a weight's index), not to a
// moment, and no earlier event can change it. Anyone may call these.
//
// The function is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as
// 1, 2, 3", SC11), which passes BigCrush; the tests compare it with the paper's known answers. It is not
// for secrets.
#pragma once

#include <array>
#include <cstdint>

namespace cairn {

// The paper's function: 128 bits of counter and 64 of key in, 128 random bits out.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9u;  // the golden ratio and sqrt(3) - 1: the paper's Weyl steps
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// 64 uniform bits.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  const auto out =
      philox4x32({low(counter), high(counter), low(stream), high(stream)}, {low(seed), high(seed)});
  return std::uint64_t{out[1]} << 32 | out[0];
}

// Uniform in [0, 1): every multiple of 2^-24 is equally likely, 1 never occurs.
inline float random_float(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  return static_cast<float>(random_bits(seed, stream, counter) >> 40) * 0x1p-24f;
}

// Uniform in [0, 1): every multiple of 2^-53 is equally likely, 1 never occurs.
inline double random_double(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  return static_cast<double>(random_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

}  // namespace cairn
