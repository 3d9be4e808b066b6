// AttentionCacheOptions, checked and translated for the rooms below. For attention_cache.cc.
#pragma once

#include "cairn/attention_cache.h"
#include "kernels/kernels.h"
#include "kv/kv_cache.h"
#include "model/attention_shape.h"
#include "model/forward_limits.h"

namespace cairn {

struct AttentionCachePlan {
  AttentionShape shape;  // its head_dim is the wider of the two below
  int64_t key_head_dim = 0;
  int64_t value_head_dim = 0;
  ForwardLimits limits;
  KvCacheOptions kv;
  const Kernels* kernels = nullptr;
  int thread_count = 1;
};

// Errors: as AttentionCache::create, but for what KvCache::create finds.
Result<AttentionCachePlan> plan_attention_cache(const AttentionCacheOptions& options);

}  // namespace cairn
