#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/random.h"

namespace cairn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// exp(x) for x <= 0, within 1e-15 of its value. IEEE products and sums only, so every machine gets the same
// bits; exact::exp promises the same but is made for tables, and a vocabulary has up to 256 k entries a
// token.
double exp_of_negative(double x) {
  if (!(x > -700)) return 0;  // would be below 1e-304
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 0x1.62e42fee00000p-1;  // 32 bits of ln 2: its product with n is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kRound = 0x1.8p52;  // adding it rounds to the nearest integer
  const double n = (x * kLog2E + kRound) - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;  // |r| <= ln 2 / 2: the series below errs by 2e-17
  double sum = 1.0 / 6227020800.0;
  for (const double c : {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
                         1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0}) {
    sum = sum * r + c;
  }
  return sum * std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52);
}

Status check_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return invalid_argument(fmt::format("{} is {}: {} to {} is possible", name, value, low, high));
}

bool changes_logits(const SamplingParams& params) {
  return !params.logit_bias.empty() || params.repetition_penalty != 1 || params.frequency_penalty != 0 ||
         params.presence_penalty != 0;
}

Status not_finite(size_t token, float value) {
  return invalid_data(
      fmt::format("the logit of token {} is {}: the model's weights or its file are damaged", token, value));
}

// Greedy and nothing to change: the common case needs no copy.
Result<TokenId> largest(std::span<const float> logits) {
  size_t best = 0;
  for (size_t token = 0; token < logits.size(); ++token) {
    if (!std::isfinite(logits[token])) return not_finite(token, logits[token]);
    if (logits[token] > logits[best]) best = token;
  }
  return static_cast<TokenId>(best);
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

Sampler::Sampler(int64_t vocab_size)
    : all_(static_cast<size_t>(vocab_size)), occurrences_(static_cast<size_t>(vocab_size), 0) {}

Result<TokenId> Sampler::pick(std::span<const float> logits, const SamplingParams& params,
                              std::span<const TokenId> history, int64_t position) {
  CHECK(logits.size() == all_.size());
  if (params.temperature == 0 && !changes_logits(params)) return largest(logits);

  CAIRN_RETURN_IF_ERROR(load(logits));
  for (const LogitBias& bias : params.logit_bias) {
    all_[static_cast<size_t>(bias.token)].logit += static_cast<double>(bias.added);
  }
  penalise(params, history);
  CAIRN_ASSIGN_OR_RETURN(const Candidate best, most_likely());
  if (params.temperature == 0) return best.token;

  if (params.top_k.has_value()) cut_top_k(*params.top_k);
  weigh(best.logit, params.temperature);
  if (params.top_p < 1) cut_top_p(params.top_p);
  if (params.min_p > 0) cut_min_p(params.min_p);
  return draw(random_double(params.seed.value_or(0), params.sample_index, static_cast<uint64_t>(position)));
}

Status Sampler::load(std::span<const float> logits) {
  for (size_t token = 0; token < logits.size(); ++token) {
    if (!std::isfinite(logits[token])) return not_finite(token, logits[token]);
    all_[token] = {static_cast<double>(logits[token]), 0, static_cast<TokenId>(token)};
  }
  count_ = all_.size();
  sorted_ = false;
  return {};
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
    double& logit = all_[static_cast<size_t>(token)].logit;
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    logit -= params.frequency_penalty * count + params.presence_penalty;
    count = 0;
  }
}

bool Sampler::more_likely(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

Result<Sampler::Candidate> Sampler::most_likely() const {
  const Candidate& best = *std::min_element(all_.begin(), all_.end(), more_likely);
  if (best.logit == -kInfinity) {
    return invalid_argument(
        "the logit bias forbids every token of the vocabulary: leave one of them possible");
  }
  return best;
}

void Sampler::cut_top_k(int64_t k) {
  if (static_cast<uint64_t>(k) >= count_) return;
  count_ = static_cast<size_t>(k);
  const auto end = all_.begin() + k;
  std::nth_element(all_.begin(), end, all_.end(), more_likely);
  std::sort(all_.begin(), end, more_likely);  // nth_element's own order differs between libraries
  sorted_ = true;
}

void Sampler::weigh(double largest_logit, double temperature) {
  for (Candidate& candidate : std::span(all_).first(count_)) {
    candidate.weight = exp_of_negative((candidate.logit - largest_logit) / temperature);
  }
}

double Sampler::total_weight() const {
  double total = 0;
  for (const Candidate& candidate : std::span(all_).first(count_)) total += candidate.weight;
  return total;
}

// Sorting a whole vocabulary costs more than the rest of a small model's token, and the tokens that stay are
// usually few: the most likely ones are sorted in growing portions until they suffice.
void Sampler::cut_top_p(double p) {
  const double enough = p * total_weight();
  size_t sorted = sorted_ ? count_ : 0;
  double sum = 0;
  for (size_t i = 0; i < count_; ++i) {
    if (i == sorted) {
      sorted = std::min(count_, std::max<size_t>(256, 4 * sorted));
      const auto begin = all_.begin() + static_cast<std::ptrdiff_t>(i);
      const auto middle = all_.begin() + static_cast<std::ptrdiff_t>(sorted);
      const auto end = all_.begin() + static_cast<std::ptrdiff_t>(count_);
      if (middle != end) std::nth_element(begin, middle, end, more_likely);
      std::sort(begin, middle, more_likely);
    }
    sum += all_[i].weight;
    if (sum >= enough) {
      count_ = i + 1;
      break;
    }
  }
  sorted_ = true;
}

// The most likely token's weight is exp(0) = 1.
void Sampler::cut_min_p(double min_p) {
  const auto begin = all_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(count_);
  const auto kept = std::remove_if(begin, end, [min_p](const Candidate& c) { return c.weight < min_p; });
  count_ = static_cast<size_t>(kept - begin);
}

TokenId Sampler::draw(double uniform) const {
  const double target = uniform * total_weight();
  double sum = 0;
  TokenId last = all_.front().token;
  for (const Candidate& candidate : std::span(all_).first(count_)) {
    if (candidate.weight == 0) continue;
    sum += candidate.weight;
    last = candidate.token;
    if (sum > target) break;
  }
  return last;
}

}  // namespace cairn
