// Parallel samples: several continuations of one prompt, whose rows are computed once and shared.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "cairn/status.h"
#include "engine/engine.h"

namespace cairn {

// Submits the first request; when its prompt has been run, the others begin as forks of it (their prompts are
// not looked at). So they share every sealed block of the prompt; only the open one is copied. Each sample is
// a request of its own, with its own parameters and callbacks; give each another
// SamplingParams::sample_index. One that cannot begin finishes with kError; where the first ends before its
// prompt has been run, the others end as it did. Errors: those of Engine::submit, for the first;
// kInvalidArgument: no samples. `engine` must outlive the requests. `on_begun` (may be empty) is told the
// request of each but the first, whose id is the result, when it begins.
using SampleBegun = std::function<void(size_t sample, RequestId id)>;
Result<RequestId> submit_samples(Engine& engine, std::vector<Request> samples, SampleBegun on_begun = {});

}  // namespace cairn
