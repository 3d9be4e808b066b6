// Rotary angles of the rows of a step, by one function of the absolute position: formed in double, because a
// float angle errs by 1e-3 at 16 k positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"

namespace cairn {

// Settles what depends on the context that the model is loaded for: each RoPE with settings for longer contexts gets
// those or keeps its own. context_length becomes what the outcome is good for: `context` where it is longer than the
// model's, and no more than the settled RoPEs stand for.
// Sources: "LongRoPE" (arXiv 2402.13753) as Phi-3's published code applies it; dynamic NTK scaling as in Python's
// transformers, with the context in place of the current length.
void settle_context(Config& config, int64_t context);

class Rope {
 public:
  // `config`: settled. `dim`: how many elements of a head are rotated.
  Rope(const RopeConfig& config, int64_t dim);

  [[nodiscard]] int64_t pairs() const { return static_cast<int64_t>(frequencies_.size()); }
  // Cosines and sines [pairs] of one position, times the config's magnitude.
  void angles(int64_t position, float* cosines, float* sines) const;

 private:
  std::vector<double> frequencies_;
  double magnitude_;
};

}  // namespace cairn
