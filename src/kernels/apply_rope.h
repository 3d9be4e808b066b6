// RoPE on the pairs of one head: plain loops with explicit fma, always inlined, so that the reference and
// every instruction set run the same source.
#pragma once

#include <cmath>
#include <cstdint>

namespace cairn {

struct RopePair {
  float first;
  float second;
};

inline __attribute__((always_inline)) RopePair apply_rope(RopePair p, float cosine, float sine) {
  return {std::fma(p.first, cosine, -(p.second * sine)), std::fma(p.first, sine, p.second * cosine)};
}

// Pairs (2i, 2i + 1).
inline __attribute__((always_inline)) void apply_rope_adjacent(const float* cosines, const float* sines,
                                                               int64_t pairs, float* head) {
  for (int64_t i = 0; i < pairs; ++i) {
    const RopePair rotated = apply_rope({head[2 * i], head[2 * i + 1]}, cosines[i], sines[i]);
    head[2 * i] = rotated.first;
    head[2 * i + 1] = rotated.second;
  }
}

// Pairs (i, i + pairs).
inline __attribute__((always_inline)) void apply_rope_halves(const float* cosines, const float* sines,
                                                             int64_t pairs, float* head) {
  for (int64_t i = 0; i < pairs; ++i) {
    const RopePair rotated = apply_rope({head[i], head[i + pairs]}, cosines[i], sines[i]);
    head[i] = rotated.first;
    head[i + pairs] = rotated.second;
  }
}

}  // namespace cairn
