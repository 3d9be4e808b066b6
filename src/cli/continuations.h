// Continuations: several ways to go on from one prompt, sampled side by side or found by beam search. They
// share the prompt's rows in the cache.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/reply.h"
#include "text/tokenizer.h"

namespace cairn {

struct Continuation {
  std::vector<TokenId> tokens;
  std::string text;
  FinishReason reason = FinishReason::kLength;
  std::optional<double> log_probability;  // of beams
};

struct Continuations {
  std::vector<Continuation> list;  // samples in their order; beams, the likeliest first
  uint64_t kv_bytes = 0;           // the most that all of them took together
  uint64_t kv_bytes_apart = 0;     // what they would have taken without sharing then
};

// `request` is each sample's, but for its sample index. Errors: those of Engine::submit, and of a sample.
Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count);
// Of the request's parameters only prompt, max_tokens and end_tokens count.
Result<Continuations> run_beams(const ReplyPlace& place, const Request& request, int64_t width,
                                const Tokenizer& tokenizer);

}  // namespace cairn
