// Several continuations of one prompt, run for a command: samples side by side, or the best of a beam search. They
// share the prompt's rows in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "cli/reply.h"
#include "engine/beam_search.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace cairn {

struct Continuation {
  std::vector<TokenId> tokens;
  std::string text;
  FinishReason reason = FinishReason::kCancelled;
  Status status;                          // of a sample: not ok exactly where reason is kError
  std::optional<double> log_probability;  // of beams
};

struct Continuations {
  std::vector<Continuation> list;  // samples in their order; beams, the likeliest first
  Status failure;                  // which of them failed, and why; or why the search could not go on
  bool is_stopped = false;         // by the interrupt, or because the output could not be written
  int64_t prompt_tokens = 0;
  uint64_t ttft_ns = 0;          // until the first token of any of them; 0 where none came
  int64_t token_count = 0;       // of all together; of beams, those that were dropped on the way too
  double tokens_per_second = 0;  // of all together, after the first; 0 where there are too few
  uint64_t kv_bytes = 0;         // the most that all of them took together
  uint64_t kv_bytes_apart = 0;   // what they would have taken without sharing then
};

// `request` is each sample's, but for its sample index. With ReplyText::kKeptAndWritten the texts are written in their
// order: the first that has not ended as it comes, the others when it is their turn. All end early (kCancelled) where
// the interrupt is raised or the output cannot be written. A sample that fails does not disturb the others. Errors:
// those of Engine::submit.
Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count,
                                  ReplyText text);
// What of `request` counts: see BeamSearch::start. The texts are written, if at all, when the search is over. Errors:
// those of BeamSearch::start.
Result<Continuations> run_beams(const ReplyPlace& place, const Request& request, const Tokenizer& tokenizer,
                                const BeamOptions& options, ReplyText text);

// "12 prompt tokens, TTFT ...; 3 texts, ...": one line for standard error.
[[nodiscard]] std::string describe_statistics(const Continuations& all);

}  // namespace cairn
