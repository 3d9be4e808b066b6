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

}  // namespace cairn
