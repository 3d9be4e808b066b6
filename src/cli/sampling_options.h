// SamplingOptions: how the next token is chosen, as the command line says it, with defaults that suit most
// models. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/request.h"
#include "engine/sampler.h"

namespace cairn {

// What an end token of the model does.
enum class EndTokens : uint8_t { kEndTheReply, kAreIgnored };

struct SamplingOptions {
  double temperature = 0.8;  // --temp; 0: always the most likely token
  int64_t top_k = 40;        // --top-k; 0: all
  double top_p = 0.95;
  double min_p = 0.05;
  double repeat_penalty = 1;  // --repeat-penalty; 1: none
  double frequency_penalty = 0;
  double presence_penalty = 0;
  std::vector<LogitBias> logit_bias;
  std::optional<uint64_t> seed;  // absent: a new one for each run, which is told
  std::vector<std::string> stop_strings;
  EndTokens end_tokens = EndTokens::kEndTheReply;
};

// The request's share of it. `seed` is used where the options have none.
void apply_sampling(const SamplingOptions& options, uint64_t seed, Request& request);

// A seed that differs from run to run.
[[nodiscard]] uint64_t fresh_seed();

}  // namespace cairn
