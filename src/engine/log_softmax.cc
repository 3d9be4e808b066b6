#include "engine/log_softmax.h"

#include <algorithm>

#include "base/check.h"
#include "base/exact_math.h"

namespace cairn {

namespace {

template <typename Number>
LogNormaliser normaliser_of(std::span<const Number> logits) {
  DCHECK(!logits.empty());
  const auto peak = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (const Number logit : logits) sum += exact::exp(static_cast<double>(logit) - peak);
  return {.peak = peak, .log_sum = exact::log(sum)};
}

}  // namespace

LogNormaliser log_normaliser(std::span<const float> logits) { return normaliser_of(logits); }
LogNormaliser log_normaliser(std::span<const double> logits) { return normaliser_of(logits); }

}  // namespace cairn
