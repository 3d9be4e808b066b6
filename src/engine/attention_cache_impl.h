// AttentionCache::Impl. For attention_cache.cc (sequences) and attention_cache_step.cc (steps) only.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "cairn/attention_cache.h"
#include "engine/attention_cache_options.h"
#include "kv/kv_cache.h"
#include "model/layer_attention.h"

namespace cairn {

struct AttentionCache::Impl {
  Impl(AttentionCachePlan&& p, std::unique_ptr<KvCache> c)
      : plan(std::move(p)),
        threads(plan.thread_count),
        cache(std::move(c)),
        buffers(plan.shape, plan.limits.rows),
        attention(plan.shape, *plan.kernels, threads, plan.limits),
        slots(static_cast<size_t>(plan.limits.sequences)) {
    step.reserve(slots.size());
    kv_rows.reserve(slots.size());
    batch_sequences.reserve(slots.size());
  }

  // An open sequence has a place; its id is the place and the number of those that had it before.
  struct Slot {
    KvLease lease;  // empty: free
    uint64_t use_count = 0;
  };
  [[nodiscard]] CachedSequenceId id_of(size_t place) const {
    return {slots[place].use_count * slots.size() + place};
  }
  [[nodiscard]] KvLease* find(CachedSequenceId id);
  CachedSequenceId open(KvLease lease);

  Status check_step(std::span<const SequenceRows> sequences);
  Status check_rows(const LayerRows& rows) const;
  void lay_batch();
  [[nodiscard]] bool is_running() const { return kv_step.has_value(); }

  AttentionCachePlan plan;
  ThreadPool threads;
  std::unique_ptr<KvCache> cache;
  AttentionBuffers buffers;
  LayerAttention attention;
  std::vector<Slot> slots;  // leases go before the cache does

  // The step that is running; empty where none is. Capacity from the start.
  std::vector<SequenceRows> step;
  std::vector<KvStepRows> kv_rows;
  std::vector<BatchSequence> batch_sequences;
  std::optional<KvStep> kv_step;
  int64_t rows = 0;
  int64_t next_layer = 0;
};

[[nodiscard]] inline Status sequence_not_open() { return not_found("there is no such open sequence"); }
[[nodiscard]] inline Status step_is_running() {
  return invalid_argument("a step is running: commit or abandon it first");
}

}  // namespace cairn
