// Sampler: from one row of logits to the next token.
//
// Always true: the pick is a pure function of (logits, params, history, position); no state is carried from
// one pick to the next, so batching, cancelling or replaying other requests changes nothing. Arithmetic is
// IEEE double without libm, so the same logits give the same token on every machine. Ties go to the lowest
// id. One thread at a time; nothing is allocated after construction.
//
// The order of operations, each on what the former left:
//   1. logit bias: added to the raw logit of its token; -infinity forbids the token
//   2. penalties, over the last `penalty_window` tokens of the history (prompt and generated tokens alike):
//        repetition r: for a token that occurs, logit / r if positive, logit * r otherwise (once, not per
//        occurrence) frequency f:  logit - f * (number of occurrences) presence p:   logit - p for a token
//        that occurs
//   3. temperature 0: the largest logit wins, done. Otherwise logits / temperature, softmax
//   4. top-k:  the k most likely tokens stay
//   5. top-p:  of these, the fewest most likely tokens whose probabilities (renormalised) reach p stay, at
//   least one
//   6. min-p:  of these, those at least min_p times as likely as the most likely one stay
//   7. one of them is drawn with a number that depends on (seed, sample_index, position) alone
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"

namespace cairn {

struct LogitBias {
  TokenId token = 0;
  float added = 0;
};

struct SamplingParams {
  double temperature = 0;         // 0: greedy
  std::optional<int64_t> top_k;   // >= 1; absent: all
  double top_p = 1;               // (0, 1]; 1: all
  double min_p = 0;               // [0, 1]; 0: all
  double repetition_penalty = 1;  // > 0; 1: none
  double frequency_penalty = 0;
  double presence_penalty = 0;
  std::optional<int64_t> penalty_window;  // >= 0; absent: the whole history
  std::vector<LogitBias> logit_bias;      // a token named twice: the values add up
  std::optional<uint64_t> seed;           // absent: the engine derives one
  uint64_t sample_index = 0;              // tells several samples of one request apart
};

// kInvalidArgument, naming the parameter, its value and what is allowed.
Status validate(const SamplingParams& params, int64_t vocab_size);

class Sampler {
 public:
  explicit Sampler(int64_t vocab_size);
  [[nodiscard]] static uint64_t bytes_for(int64_t vocab_size);

  // `logits` has vocab_size values; `history` is everything before the token that is picked, `position` that
  // token's position. `params` must be valid. Errors: kInvalidData where a logit is not finite, or where
  // every token is forbidden.
  Result<TokenId> pick(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, int64_t position);

 private:
  struct Kept {
    double logit = 0;
    TokenId token = 0;
  };

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
