// Faulty passes for tests: each stands between an engine and its model, and breaks one promise of the cache
// as an engine or a cache might; and a sound one that tells kernels (faults_testing.h) which step runs.
#pragma once

#include <memory>

#include "engine/forward_pass.h"

namespace cairn {

struct StepNow {
  const Batch& batch;
  const KvView& kv;
};
// The step that runs; null between steps. Set by all passes of this file.
[[nodiscard]] const StepNow* step_now();

using PassPtr = std::unique_ptr<ForwardPass>;

[[nodiscard]] PassPtr telling_steps(PassPtr pass);
// Rows are not written where something stands from before (plan f32).
[[nodiscard]] PassPtr with_rows_that_stay(PassPtr pass);
// A block that was sealed and then cut goes on from what its sealed form says, instead of being computed
// again.
[[nodiscard]] PassPtr with_cut_blocks_decoded(PassPtr pass);
// A prompt that ends at the edge of a block that is there already: the block is taken, and only the last
// token runs.
[[nodiscard]] PassPtr with_hits_of_the_last_token(PassPtr pass);

}  // namespace cairn
