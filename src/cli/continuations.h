// Several continuations of one prompt, run for a command: samples side by side, or the best of a beam search. They
// share the prompt's rows in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/reply.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace cairn {

struct Continuation {
  std::vector<TokenId> tokens;
  std::string text;
  FinishReason reason = FinishReason::kLength;
  Status status;                          // not ok exactly where reason is kError
  std::optional<double> log_probability;  // of beams
};

struct Continuations {
  std::vector<Continuation> list;  // samples in their order; beams, the likeliest first
  uint64_t kv_bytes = 0;           // the most that all of them took together
  uint64_t kv_bytes_apart = 0;     // what they would have taken without sharing then
};

// `request` is each sample's, but for its sample index. All end early (kCancelled) where the interrupt is raised or the
// output cannot be written. A sample that fails does not disturb the others: its status says why. Errors: those of
// Engine::submit.
Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count);
// Of the request's parameters only prompt, max_tokens and end_tokens count.
Result<Continuations> run_beams(const ReplyPlace& place, const Request& request, int64_t width,
                                const Tokenizer& tokenizer);

// Which of them failed and why, in one status with the code of the first; ok where none did.
[[nodiscard]] Status failures_of(const Continuations& all);

}  // namespace cairn
