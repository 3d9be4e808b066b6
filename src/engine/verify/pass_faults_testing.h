// Faulty passes for tests: each stands between an engine and its model, and breaks one promise of the cache
// as an engine or a cache might; and a sound one from which kernels (faults_testing.h) learn which step runs.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "engine/forward_pass.h"

namespace cairn {

// A gate that has opened all layers of another one at once. The model gets them through it; faults look at them all.
class AllLayers final : public KvLayerGate {
 public:
  explicit AllLayers(KvLayerGate& gate);
  // The same, of one of the step's sequences alone.
  AllLayers(const AllLayers& all, size_t sequence);

  [[nodiscard]] int64_t layer_count() const override { return std::ssize(views); }
  Result<KvLayerView> open(int64_t layer) override { return views[static_cast<size_t>(layer)]; }
  void close(int64_t) override {}
  [[nodiscard]] const KvSequenceView& sequence(size_t s) const { return views.front().sequences[s]; }

  std::vector<KvLayerView> views;
};

struct StepNow {
  const Batch& batch;
  const AllLayers& kv;
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
// A sequence that begins in the middle of a block, as a fork does, has open rows of a block that its parent filled later:
// as if it had been forked while the parent's step was not counted yet.
[[nodiscard]] PassPtr with_forks_of_newer_rows(PassPtr pass);
// A prompt that ends at the edge of a block that is there already: the block is taken, and only the last
// token runs.
[[nodiscard]] PassPtr with_hits_of_the_last_token(PassPtr pass);
// Where blocks have left a window, the oldest one that is still seen has gone as well, and holds other rows by now.
[[nodiscard]] PassPtr with_blocks_given_back_too_early(PassPtr pass);

}  // namespace cairn
