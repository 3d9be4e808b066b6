#include "model/rope.h"

#include <iterator>

#include "base/check.h"
#include "base/exact_math.h"

namespace cairn {

Rope::Rope(const RopeConfig& config, int64_t dim) : magnitude_(config.magnitude) {
  CHECK(dim >= 0 && dim % 2 == 0);
  CHECK(config.divisors.empty() || std::ssize(config.divisors) == dim / 2);
  for (int64_t i = 0; i < dim / 2; ++i) {
    const double frequency =
        exact::pow(config.base, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
    const double divisor = config.divisors.empty() ? 1.0 : config.divisors[static_cast<size_t>(i)];
    frequencies_.push_back(frequency / divisor);
  }
}

void Rope::angles(int64_t position, float* cosines, float* sines) const {
  DCHECK(position >= 0);
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    cosines[i] = static_cast<float>(exact::cos(angle) * magnitude_);
    sines[i] = static_cast<float>(exact::sin(angle) * magnitude_);
  }
}

}  // namespace cairn
