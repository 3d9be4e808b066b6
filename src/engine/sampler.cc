#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/random.h"

namespace cairn {
namespace {

// exp(x) for x <= 0, within 1e-15 of its value; 0 below -700. IEEE products and sums only, so every machine
// gets the same bits. exact::exp promises the same, but is made for tables; this one has no branch and no
// call, so that a compiler can do several at once: a vocabulary has up to 256 k entries.
double exp_of_negative(double x) {
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 0x1.62e42fee00000p-1;  // 32 bits of ln 2: its product with n is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kRound = 0x1.8p52;  // adding it leaves the nearest integer in the lowest bits
  const bool in_range = x > -700;
  x = in_range ? x : -700;
  const double shifted = x * kLog2E + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;  // |r| <= ln 2 / 2: the series below errs by 2e-17
  double sum = 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  const double power = std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);  // 2^n
  return in_range ? sum * power : 0;
}

Status check_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return invalid_argument(fmt::format("{} is {}: {} to {} is possible", name, value, low, high));
}

bool changes_logits(const SamplingParams& params) {
  return !params.logit_bias.empty() || params.repetition_penalty != 1 || params.frequency_penalty != 0 ||
         params.presence_penalty != 0;
}

}  // namespace

// Without a branch in the loop: nearly always there is nothing to find.
Status check_finite(std::span<const float> logits) {
  constexpr uint32_t kExponent = 0x7f800000;  // all its bits are set in infinities and NaNs
  uint32_t bad = 0;
  for (const float logit : logits) bad |= (std::bit_cast<uint32_t>(logit) & kExponent) == kExponent ? 1U : 0U;
  if (bad == 0) return {};
  const auto at = std::find_if_not(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  return invalid_data(fmt::format("the logit of token {} is {}: the model's weights or its file are damaged",
                                  at - logits.begin(), *at));
}

namespace {

template <typename Number>
Number largest_of(std::span<const Number> values) {
  // Independent maxima, so that one need not wait for another.
  std::array<Number, 16> lanes;
  lanes.fill(-std::numeric_limits<Number>::infinity());
  size_t i = 0;
  for (; i + lanes.size() <= values.size(); i += lanes.size()) {
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
    }
  }
  for (; i < values.size(); ++i) lanes[0] = std::max(lanes[0], values[i]);
  return *std::max_element(lanes.begin(), lanes.end());
}

const char* refusal_of_all(const TokenMask* mask) {
  if (mask == nullptr)
    return "the logit bias forbids every token of the vocabulary: leave one of them possible";
  return mask->allows_any()
             ? "the logit bias forbids every token that the mask allows: leave one of them possible"
             : "the mask allows no token of the vocabulary: `on_mask` and the constraint must leave one of "
               "them possible";
}

// The lowest id of those that have this logit.
template <typename Number>
TokenId find_token(std::span<const Number> logits, Number logit) {
  return static_cast<TokenId>(std::find(logits.begin(), logits.end(), logit) - logits.begin());
}

}  // namespace

Status validate(const SamplingParams& params, int64_t vocab_size) {
  constexpr double kMax = std::numeric_limits<double>::max();
  CAIRN_RETURN_IF_ERROR(check_range("temperature", params.temperature, 0, kMax));
  if (params.top_k.has_value() && *params.top_k < 1) {
    return invalid_argument(
        fmt::format("top-k is {}: it must be at least 1 (leave it out for all)", *params.top_k));
  }
  if (!(params.top_p > 0 && params.top_p <= 1)) {
    return invalid_argument(fmt::format("top-p is {}: it must be above 0 and at most 1", params.top_p));
  }
  CAIRN_RETURN_IF_ERROR(check_range("min-p", params.min_p, 0, 1));
  CAIRN_RETURN_IF_ERROR(check_range("repetition penalty", params.repetition_penalty, 0.01, 100));
  CAIRN_RETURN_IF_ERROR(check_range("frequency penalty", params.frequency_penalty, -100, 100));
  CAIRN_RETURN_IF_ERROR(check_range("presence penalty", params.presence_penalty, -100, 100));
  if (params.penalty_window.has_value() && *params.penalty_window < 0) {
    return invalid_argument(fmt::format(
        "the penalty window is {}: it must be at least 0 (leave it out for all)", *params.penalty_window));
  }
  for (const LogitBias& bias : params.logit_bias) {
    if (bias.token < 0 || bias.token >= vocab_size) {
      return invalid_argument(
          fmt::format("a logit bias names token {}: the vocabulary has {} tokens", bias.token, vocab_size));
    }
    if (std::isnan(bias.added) || bias.added == std::numeric_limits<float>::infinity()) {
      return invalid_argument(fmt::format("the logit bias of token {} is {}: a number or -inf is possible",
                                          bias.token, bias.added));
    }
  }
  return {};
}

uint64_t Sampler::bytes_for(int64_t vocab_size) {
  return static_cast<uint64_t>(vocab_size) * (2 * sizeof(double) + sizeof(Kept) + sizeof(int32_t));
}

Sampler::Sampler(int64_t vocab_size)
    : logits_(static_cast<size_t>(vocab_size)),
      weights_(logits_.size()),
      kept_(logits_.size()),
      occurrences_(logits_.size(), 0) {}

Result<TokenId> Sampler::pick(std::span<const float> logits, const SamplingParams& params,
                              std::span<const TokenId> history, int64_t position, const TokenMask* mask) {
  CHECK(logits.size() == logits_.size());
  CAIRN_RETURN_IF_ERROR(check_finite(logits));
  if (params.temperature == 0 && !changes_logits(params) && mask == nullptr)
    return find_token(logits, largest_of(logits));

  CAIRN_RETURN_IF_ERROR(adjust(logits, params, history, mask));
  if (params.temperature == 0) return find_token(std::span<const double>(logits_), largest_);

  const double uniform =
      random_double(params.seed.value_or(0), params.sample_index, static_cast<uint64_t>(position));
  return params.top_k.has_value() || params.top_p < 1 ? draw_of_likeliest(params, uniform)
                                                      : draw_of_all(params, uniform);
}

Result<std::span<const double>> Sampler::adjusted(std::span<const float> logits, const SamplingParams& params,
                                                  std::span<const TokenId> history) {
  CHECK(logits.size() == logits_.size());
  CAIRN_RETURN_IF_ERROR(check_finite(logits));
  CAIRN_RETURN_IF_ERROR(adjust(logits, params, history, nullptr));
  return std::span<const double>(logits_);
}

Status Sampler::adjust(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, const TokenMask* mask) {
  std::copy(logits.begin(), logits.end(), logits_.begin());
  if (mask != nullptr) apply(*mask);
  for (const LogitBias& bias : params.logit_bias) {
    logits_[static_cast<size_t>(bias.token)] += static_cast<double>(bias.added);
  }
  penalise(params, history);
  largest_ = largest_of(std::span<const double>(logits_));
  if (largest_ == -std::numeric_limits<double>::infinity()) {
    return invalid_argument(refusal_of_all(mask));
  }
  return {};
}

void Sampler::apply(const TokenMask& mask) {
  CHECK(mask.size() == std::ssize(logits_));
  for (size_t i = 0; i < logits_.size(); ++i) {
    if (!mask.allows(static_cast<TokenId>(i))) logits_[i] = -std::numeric_limits<double>::infinity();
  }
}

void Sampler::penalise(const SamplingParams& params, std::span<const TokenId> history) {
  if (params.penalty_window.has_value()) {
    const auto window = static_cast<uint64_t>(*params.penalty_window);
    if (window < history.size()) history = history.last(window);
  }
  for (const TokenId token : history) ++occurrences_[static_cast<size_t>(token)];
  for (const TokenId token : history) {
    int32_t& count = occurrences_[static_cast<size_t>(token)];
    if (count == 0) continue;  // done at an earlier occurrence
    double& logit = logits_[static_cast<size_t>(token)];
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    logit -= params.frequency_penalty * count + params.presence_penalty;
    count = 0;
  }
}

double Sampler::weight_of(double logit, double temperature) const {
  return exp_of_negative((logit - largest_) / temperature);
}

void Sampler::weigh_all(double temperature) {
  const double largest = largest_;  // a copy: a compiler could not know that weights_ is elsewhere
  for (size_t i = 0; i < logits_.size(); ++i) {
    weights_[i] = exp_of_negative((logits_[i] - largest) / temperature);
  }
}

TokenId Sampler::draw_of_all(const SamplingParams& params, double uniform) {
  weigh_all(params.temperature);
  return static_cast<TokenId>(draw(weights_, params.min_p, uniform));
}

TokenId Sampler::draw_of_likeliest(const SamplingParams& params, double uniform) {
  size_t count = logits_.size();
  if (params.top_k.has_value()) count = std::min(count, static_cast<size_t>(*params.top_k));
  if (params.top_p < 1) {
    count = cut_top_p(count, params);
  } else {
    sort_likeliest(count);
  }
  for (size_t i = 0; i < count; ++i) weights_[i] = weight_of(kept_[i].logit, params.temperature);
  return kept_[draw(std::span(weights_).first(count), params.min_p, uniform)].token;
}

// Sorting a whole vocabulary costs more than the rest of a small model's token, and the tokens that stay are
// usually few: the most likely ones are sorted in growing portions until they suffice.
size_t Sampler::cut_top_p(size_t count, const SamplingParams& params) {
  double total = 0;
  if (count < logits_.size()) {
    sort_likeliest(count);
    for (size_t i = 0; i < count; ++i) total += weight_of(kept_[i].logit, params.temperature);
  } else {
    weigh_all(params.temperature);
    for (const double weight : weights_) total += weight;
  }
  const double enough = params.top_p * total;
  for (size_t portion = 256;; portion *= 8) {
    portion = std::min(portion, count);
    if (count == logits_.size()) sort_likeliest(portion);
    double sum = 0;
    for (size_t i = 0; i < portion; ++i) {
      sum += weight_of(kept_[i].logit, params.temperature);
      if (sum >= enough) return i + 1;
    }
    if (portion == count) return count;
  }
}

// The first `count` of kept_ become the most likely tokens, in order. A histogram of the distances to the
// largest logit shows which few tokens are worth sorting.
void Sampler::sort_likeliest(size_t count) {
  constexpr double kLastBin = 1023;
  constexpr double kBinsPerLogit = 16;
  const auto bin_of = [this](double logit) {
    const double bin = (largest_ - logit) * kBinsPerLogit;
    return static_cast<size_t>(bin < kLastBin ? bin : kLastBin);
  };
  std::array<size_t, static_cast<size_t>(kLastBin) + 1> tokens_in_bin{};
  for (const double logit : logits_) ++tokens_in_bin[bin_of(logit)];
  size_t last_bin = 0;
  for (size_t tokens = tokens_in_bin[0]; tokens < count; tokens += tokens_in_bin[last_bin]) ++last_bin;

  size_t found = 0;
  for (size_t token = 0; token < logits_.size(); ++token) {
    if (bin_of(logits_[token]) <= last_bin) kept_[found++] = {logits_[token], static_cast<TokenId>(token)};
  }
  const auto begin = kept_.begin();
  const auto middle = begin + static_cast<std::ptrdiff_t>(count);
  const auto end = begin + static_cast<std::ptrdiff_t>(found);
  const auto order = [](const Kept& a, const Kept& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  if (middle != end) std::nth_element(begin, middle, end, order);
  std::sort(begin, middle, order);
}

// An index, with the probability of its weight; those below min_p (the largest weight is 1) have none.
size_t Sampler::draw(std::span<double> weights, double min_p, double uniform) {
  double total = 0;
  for (double& weight : weights) {
    if (weight < min_p) weight = 0;
    total += weight;
  }
  const double target = uniform * total;
  double sum = 0;
  size_t last = 0;
  for (size_t i = 0; i < weights.size() && sum <= target; ++i) {
    if (weights[i] == 0) continue;
    sum += weights[i];
    last = i;
  }
  return last;
}

}  // namespace cairn
