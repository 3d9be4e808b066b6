// ChoiceReport: the probabilities of a chosen token and of the likeliest ones, for Request::on_choice. Its memory is
// taken when it is made.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "cairn/token_choice.h"

namespace cairn {

class ChoiceReport {
 public:
  ChoiceReport() = default;
  // `likeliest_count` is at least 0.
  explicit ChoiceReport(int64_t likeliest_count) { likeliest_.reserve(static_cast<size_t>(likeliest_count)); }

  // `token` is one of the row's. Valid until the next call. kInvalidData: a logit is no number.
  Result<TokenChoice> of(std::span<const float> logits, TokenId token);

 private:
  void find_likeliest(std::span<const float> logits);

  std::vector<TokenProbability> likeliest_;  // up to its capacity
};

}  // namespace cairn
