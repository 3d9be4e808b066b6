#include "model/rope.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/exact_math.h"

namespace cairn {

namespace {

// Each settles one RoPE and returns the longest context that the outcome is good for.
int64_t settle(std::monostate, const Config& config, int64_t, RopeConfig&) { return config.context_length; }

int64_t settle(const LongRope& longer, const Config& config, int64_t context, RopeConfig& rope) {
  if (context <= longer.original_context) return longer.original_context;
  rope.divisors = longer.divisors;
  rope.magnitude = longer.magnitude;
  return config.context_length;
}

int64_t settle(const DynamicNtk& ntk, const Config& config, int64_t context, RopeConfig& rope) {
  if (context <= ntk.original_context) return ntk.original_context;
  const double ratio = static_cast<double>(context) / static_cast<double>(ntk.original_context);
  const auto dim = static_cast<double>(config.rope_dim);
  rope.base *= exact::pow(ntk.factor * ratio - (ntk.factor - 1.0), dim / (dim - 2.0));
  return context;
}

}  // namespace

void settle_context(Config& config, int64_t context) {
  config.context_length = std::max(config.context_length, context);
  for (RopeConfig& rope : config.ropes) {
    const RopeByContext by_context = std::exchange(rope.by_context, {});
    const int64_t longest =
        std::visit([&](const auto& kind) { return settle(kind, config, context, rope); }, by_context);
    config.context_length = std::min(config.context_length, longest);
  }
}

Rope::Rope(const RopeConfig& config, int64_t dim) : magnitude_(config.magnitude) {
  CHECK(dim >= 0 && dim % 2 == 0);
  CHECK(std::holds_alternative<std::monostate>(config.by_context));
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
