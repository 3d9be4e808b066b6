#include "cli/sampling_options.h"

#include <random>

namespace cairn {

void apply_sampling(const SamplingOptions& options, uint64_t seed, Request& request) {
  request.sampling = {.temperature = options.temperature,
                      .top_p = options.top_p,
                      .min_p = options.min_p,
                      .repetition_penalty = options.repeat_penalty,
                      .frequency_penalty = options.frequency_penalty,
                      .presence_penalty = options.presence_penalty,
                      .logit_bias = options.logit_bias,
                      .seed = options.seed.value_or(seed)};
  if (options.top_k != 0) request.sampling.top_k = options.top_k;
  request.stop_strings = options.stop_strings;
  request.ignore_end_tokens = options.end_tokens == EndTokens::kAreIgnored;
}

// 32 bits: short enough to be typed again.
uint64_t fresh_seed() { return std::random_device()(); }

}  // namespace cairn
