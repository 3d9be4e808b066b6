// SamplingParams: how the next token is picked from a row of logits. Plain data.
//
// A pick depends on nothing but the logits, these parameters, the tokens before it and its position, so it is
// the same whatever else runs beside it. Logits are the same on one machine with one build and one instruction set; so
// is what a seed gives. The order of operations, each on the result of the one before:
//   1. logit bias: added to the raw logit of its token; -infinity forbids the token
//   2. penalties, over the last `penalty_window` tokens of the history (prompt and generated tokens alike),
//      for each token that occurs there:
//        repetition r   logit / r if positive, logit * r otherwise (once, not per occurrence)
//        frequency f    logit - f * (number of occurrences)
//        presence p     logit - p
//   3. temperature 0: the largest logit wins, done. Otherwise logits / temperature, softmax
//   4. top-k:  the k most likely tokens stay
//   5. top-p:  of these, the fewest most likely tokens whose probabilities (renormalised) reach p stay, at
//              least one
//   6. min-p:  of these, those at least min_p times as likely as the most likely one stay
//   7. one of them is drawn with a number that depends on (seed, sample_index, position) alone
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

struct LogitBias {
  TokenId token = 0;
  float added = 0;
};

struct SamplingParams {
  double temperature = 0;             // 0: greedy
  std::optional<int64_t> top_k = {};  // >= 1; absent: all
  double top_p = 1;                   // (0, 1]; 1: all
  double min_p = 0;                   // [0, 1]; 0: all
  double repetition_penalty = 1;      // > 0; 1: none
  double frequency_penalty = 0;
  double presence_penalty = 0;
  // >= 0; absent: the whole history, or of a text without end as much of it as the next token is picked by.
  std::optional<int64_t> penalty_window = {};
  std::vector<LogitBias> logit_bias = {};  // a token named twice: the values add up
  std::optional<uint64_t> seed = {};       // absent: the engine derives one
  uint64_t sample_index = 0;               // distinguishes several samples of one request
};

}  // namespace cairn
