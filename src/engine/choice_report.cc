#include "engine/choice_report.h"

#include <algorithm>

#include "engine/log_softmax.h"
#include "engine/sampler.h"

namespace cairn {
namespace {

// Logits, until they are normalised.
bool is_likelier(const TokenProbability& a, const TokenProbability& b) {
  return a.log_probability != b.log_probability ? a.log_probability > b.log_probability : a.token < b.token;
}

}  // namespace

// A heap whose first element is the least likely of those kept.
void ChoiceReport::find_likeliest(std::span<const float> logits) {
  const size_t count = std::min(likeliest_.capacity(), logits.size());
  likeliest_.clear();
  for (size_t i = 0; i < logits.size() && count > 0; ++i) {
    const TokenProbability next{static_cast<TokenId>(i), static_cast<double>(logits[i])};
    if (likeliest_.size() == count) {
      if (!is_likelier(next, likeliest_.front())) continue;
      std::ranges::pop_heap(likeliest_, is_likelier);
      likeliest_.pop_back();
    }
    likeliest_.push_back(next);
    std::ranges::push_heap(likeliest_, is_likelier);
  }
  std::ranges::sort_heap(likeliest_, is_likelier);
}

Result<TokenChoice> ChoiceReport::of(std::span<const float> logits, TokenId token) {
  CAIRN_RETURN_IF_ERROR(check_finite(logits));
  const LogNormaliser normaliser = log_normaliser(logits);
  const auto log_probability = [&](double logit) { return logit - normaliser.peak - normaliser.log_sum; };
  find_likeliest(logits);
  for (TokenProbability& each : likeliest_) each.log_probability = log_probability(each.log_probability);
  return TokenChoice{.token = token,
                     .log_probability = log_probability(logits[static_cast<size_t>(token)]),
                     .likeliest = likeliest_};
}

}  // namespace cairn
