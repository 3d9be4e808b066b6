// The logarithm of what a softmax divides by: ln p = logit - peak - log_sum, in double and with no libm function, so that
// all machines get the same.
#pragma once

#include <span>

namespace cairn {

struct LogNormaliser {
  double peak = 0;     // the largest logit
  double log_sum = 0;  // ln of the sum of e^(logit - peak), in the order of the tokens
};

// `logits` is not empty.
[[nodiscard]] LogNormaliser log_normaliser(std::span<const float> logits);
[[nodiscard]] LogNormaliser log_normaliser(std::span<const double> logits);

}  // namespace cairn
