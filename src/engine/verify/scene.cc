#include "engine/verify/scene.h"

#include <algorithm>

#include "engine/memory_plan.h"
#include "kv/geometry.h"

namespace cairn {

uint64_t Scene::work_of(int64_t first, int64_t last) const {
  uint64_t sum = 0;
  for (int64_t text = first; text < last; ++text) sum += texts[static_cast<size_t>(text)].size();
  return sum;
}

EngineOptions Scene::options(KvStorageKind storage) const {
  return {.storage = storage,
          .kv_plan = kv_plan,
          .context = length(),
          .prefill_chunk = length(),
          .score_chunk = length()};
}

EngineOptions Scene::crowd_options(int64_t max_sequences) const {
  constexpr int64_t kCrowdChunk = 64;
  EngineOptions crowd = options();
  crowd.max_sequences = max_sequences;
  crowd.prefill_chunk = std::min(kCrowdChunk, crowd.context);
  return crowd;
}

Result<uint64_t> Scene::pool_of(const EngineOptions& options, int64_t block_count) const {
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(model->config(), kv_plan, options.context));
  return pool_bytes_of(Engine::cache_options(shape, options), block_count);
}

Result<std::unique_ptr<Trial>> start_trial(const Scene& scene, int thread_count, const EngineOptions& options,
                                           Comparison& comparison) {
  return Trial::start(trial_setting(scene, thread_count), options,
                      [&](int64_t text, int64_t position, std::span<const float> logits) {
                        comparison.see(text, position, logits);
                        scene.on_work(1);
                      });
}

void require(Comparison& comparison, int64_t text, int64_t first, int64_t last) {
  for (int64_t position = first; position < last; ++position) comparison.require(text, position);
}

void require_texts(const Scene& scene, Comparison& comparison, int64_t first, int64_t last) {
  for (int64_t text = first; text < last; ++text) require(comparison, text, 0, scene.length_of(text));
}

Result<std::string> remark_on_reuse(const Trial& trial, bool could_reuse, const std::string& what) {
  if (trial.reused_tokens() > 0) return std::string();
  if (!could_reuse) return std::string("too few positions to reuse any");
  return internal_error(what + " used no rows that were there");
}

}  // namespace cairn
