// Beam search: the most likely continuations of a prompt. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/finish_reason.h"
#include "cairn/ids.h"

namespace cairn {

struct BeamOptions {
  int64_t width = 4;          // hypotheses that are kept at each token
  double length_penalty = 1;  // alpha: they are compared by log p / length^alpha; 0 compares sums, 1 means
};

struct Beam {
  std::vector<TokenId> tokens;                     // behind the prompt, without the end token
  std::string text;                                // of the tokens, up to a stop string
  double log_probability = 0;                      // of all of them, and of the end token where one came
  double score = 0;                                // what beams are compared by
  FinishReason reason = FinishReason::kCancelled;  // kCancelled: it would have gone on
  std::optional<TokenId> end_token;
};

}  // namespace cairn
