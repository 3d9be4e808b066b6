// Rotary angles of the rows of a step, by one function of the absolute position: formed in double, because a
// float angle errs by 1e-3 at 16 k positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"

namespace cairn {

class Rope {
 public:
  // `dim`: how many elements of a head are rotated.
  Rope(const RopeConfig& config, int64_t dim);

  [[nodiscard]] int64_t pairs() const { return static_cast<int64_t>(frequencies_.size()); }
  // Cosines and sines [pairs] of one position, times the config's magnitude.
  void angles(int64_t position, float* cosines, float* sines) const;

 private:
  std::vector<double> frequencies_;
  double magnitude_;
};

}  // namespace cairn
