// Sampler: from one row of logits to the next token.
//
// Always true: the pick is a pure function of (logits, params, history, position); no state is carried from
// one pick to the next, so batching, cancelling or replaying other requests changes nothing. Arithmetic is
// IEEE double without libm, so the same logits give the same token on every machine. Ties go to the lowest
// id. One thread at a time; nothing is allocated after construction.
// The order of operations stands in cairn/sampling.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/sampling.h"
#include "cairn/status.h"
#include "cairn/token_choice.h"

namespace cairn {

// kInvalidArgument, naming the parameter, its value and what is allowed.
Status validate(const SamplingParams& params, int64_t vocab_size);
// kInvalidData, naming the first logit that is no finite number.
Status check_finite(std::span<const float> logits);

class Sampler {
 public:
  explicit Sampler(int64_t vocab_size);
  [[nodiscard]] static uint64_t bytes_for(int64_t vocab_size);

  // `logits` has vocab_size values; `history` is everything before the token that is picked, `position` that
  // token's position. `params` must be valid. Errors: kInvalidData where a logit is not finite, or where
  // every token is forbidden. `mask` (null: all are allowed) has vocab_size tokens, and comes before all else: the
  // logits of those that it forbids count as -infinity.
  Result<TokenId> pick(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, int64_t position, const TokenMask* mask = nullptr);
  // What pick chooses from: the logits after bias and penalties, valid until the next call. Errors likewise.
  Result<std::span<const double>> adjusted(std::span<const float> logits, const SamplingParams& params,
                                           std::span<const TokenId> history);

 private:
  struct Kept {
    double logit = 0;
    TokenId token = 0;
  };

  Status adjust(std::span<const float> logits, const SamplingParams& params, std::span<const TokenId> history,
                const TokenMask* mask);
  void apply(const TokenMask& mask);
  void penalise(const SamplingParams& params, std::span<const TokenId> history);
  [[nodiscard]] double weight_of(double logit, double temperature) const;
  void weigh_all(double temperature);
  [[nodiscard]] TokenId draw_of_all(const SamplingParams& params, double uniform);
  [[nodiscard]] TokenId draw_of_likeliest(const SamplingParams& params, double uniform);
  [[nodiscard]] size_t cut_top_p(size_t count, const SamplingParams& params);
  void sort_likeliest(size_t count);
  [[nodiscard]] static size_t draw(std::span<double> weights, double min_p, double uniform);

  // All of the vocabulary's size; only occurrences_ means anything between picks: it is all zero.
  std::vector<double> logits_;        // by token, after bias and penalties
  double largest_ = 0;                // of logits_
  std::vector<double> weights_;       // exp((logit - largest) / temperature), of all tokens or of kept_
  std::vector<Kept> kept_;            // the most likely tokens, in order
  std::vector<int32_t> occurrences_;  // by token, in the history's window
};

}  // namespace cairn
