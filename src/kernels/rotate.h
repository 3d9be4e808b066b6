// The rotations of RoPE: plain loops with explicit fma, always inlined, so that the reference and every
// instruction set run the same source.
#pragma once

#include <cmath>
#include <cstdint>

namespace cairn {

struct Pair {
  float first;
  float second;
};

inline __attribute__((always_inline)) Pair rotate(Pair p, float cosine, float sine) {
  return {std::fma(p.first, cosine, -(p.second * sine)), std::fma(p.first, sine, p.second * cosine)};
}

inline __attribute__((always_inline)) void rotate_adjacent(const float* cosines, const float* sines,
                                                           int64_t pairs, float* head) {
  for (int64_t i = 0; i < pairs; ++i) {
    const Pair turned = rotate({head[2 * i], head[2 * i + 1]}, cosines[i], sines[i]);
    head[2 * i] = turned.first;
    head[2 * i + 1] = turned.second;
  }
}

inline __attribute__((always_inline)) void rotate_halves(const float* cosines, const float* sines,
                                                         int64_t pairs, float* head) {
  for (int64_t i = 0; i < pairs; ++i) {
    const Pair turned = rotate({head[i], head[i + pairs]}, cosines[i], sines[i]);
    head[i] = turned.first;
    head[i + pairs] = turned.second;
  }
}

}  // namespace cairn
