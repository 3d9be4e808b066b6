// Parallel samples: several continuations of one prompt, whose rows are computed once and shared.
#pragma once

#include <vector>

#include "cairn/status.h"
#include "engine/engine.h"

namespace cairn {

// Submits the first request; the others are forks of it (their prompts are not looked at), which begin when its prompt
// has been run. So they share every sealed block of the prompt; only the open one is copied. Each sample is a request
// of its own, with its own parameters and callbacks; give each another SamplingParams::sample_index. Returns their ids,
// in order. Errors: those of Engine::submit and fork, kInvalidArgument: no samples; then none is taken, and nothing is
// called back.
Result<std::vector<RequestId>> submit_samples(Engine& engine, std::vector<Request> samples);

// What several continuations of one prompt are: samples, or the beams of a search.
struct SampleSizes {
  int64_t prompt_tokens = 0;
  int64_t max_tokens = 0;  // of each
  int64_t count = 0;
  int64_t context = 0;  // positions of a sequence at most
};

// Blocks that they take together at most. Where blocks can be shared (kPaged) the prompt's full ones are there once.
[[nodiscard]] int64_t blocks_for(const SampleSizes& sizes, KvStorageKind storage);

}  // namespace cairn
