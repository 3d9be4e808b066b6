#include "engine/attention_cache_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/machine.h"
#include "engine/layer_visibility.h"
#include "engine/thread_count.h"
#include "model/layer_attention.h"

namespace cairn {
namespace {

constexpr int64_t kMostHeads = 1 << 16;     // as KvGeometry's dimensions: products fit in 64 bits
constexpr int64_t kMostStepRows = 1 << 20;  // likewise; far above what one step runs well

Status check_count(const char* name, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return {};
  return invalid_argument(fmt::format("{} is {}: 1 to {} is possible", name, value, most));
}

int64_t value_head_dim(const AttentionCacheOptions& options) {
  return options.value_head_dim.value_or(options.head_dim);
}
int64_t stored_head_dim(const AttentionCacheOptions& options) {
  return std::max(options.head_dim, value_head_dim(options));
}

Status check_shape(const AttentionCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_count("layer_count", options.layer_count, kMostHeads));
  CAIRN_RETURN_IF_ERROR(check_count("query_head_count", options.query_head_count, kMostHeads));
  CAIRN_RETURN_IF_ERROR(check_count("kv_head_count", options.kv_head_count, options.query_head_count));
  CAIRN_RETURN_IF_ERROR(check_count("head_dim", options.head_dim, kMostHeads));
  CAIRN_RETURN_IF_ERROR(check_count("value_head_dim", value_head_dim(options), kMostHeads));
  CAIRN_RETURN_IF_ERROR(check_count("context", options.context, KvGeometry::kMaxPositions));
  CAIRN_RETURN_IF_ERROR(check_count("max_sequences", options.max_sequences, KvGeometry::kMaxSequences));
  CAIRN_RETURN_IF_ERROR(check_count("step_rows", options.step_rows, kMostStepRows));
  if (options.query_head_count % options.kv_head_count != 0) {
    return invalid_argument(
        fmt::format("query_head_count is {}: it must be a multiple of kv_head_count, which is {}",
                    options.query_head_count, options.kv_head_count));
  }
  return {};
}

Status check_attention(const AttentionCacheOptions& options) {
  const auto window_count = static_cast<int64_t>(options.windows.size());
  if (window_count != 0 && window_count != options.layer_count) {
    return invalid_argument(fmt::format("there are {} windows for {} layers: give one for each, or none",
                                        window_count, options.layer_count));
  }
  for (const int64_t window : options.windows) {
    if (window < 0) return invalid_argument(fmt::format("a window is {}: it must be at least 0", window));
  }
  if (!std::isfinite(options.attention_scale.value_or(1))) {
    return invalid_argument("attention_scale is not a finite number");
  }
  if (!std::isfinite(options.soft_cap) || options.soft_cap < 0) {
    return invalid_argument("soft_cap must be a finite number of at least 0");
  }
  return {};
}

AttentionShape shape_of(const AttentionCacheOptions& options) {
  AttentionShape shape{.head_count = options.query_head_count,
                       .kv_head_count = options.kv_head_count,
                       .head_dim = stored_head_dim(options),
                       .soft_cap = options.soft_cap};
  const double scale = 1 / std::sqrt(static_cast<double>(options.head_dim));
  shape.scale = options.attention_scale.value_or(static_cast<float>(scale));
  return shape;
}

// The caller's windows and the plan's.
Result<std::vector<Visibility>> visibility_of(const AttentionCacheOptions& options, const KvPlan& plan) {
  CAIRN_ASSIGN_OR_RETURN(const auto plans, plan.resolve(options.layer_count, stored_head_dim(options)));
  std::vector<Visibility> layers;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].retention.sinks > 0) {
      return invalid_argument(
          "`kv_plan` has sinks: queries meet those turned to another position by RoPE, which is the "
          "caller's; "
          "leave the sinks out");
    }
    const int64_t own = options.windows.empty() ? 0 : options.windows[i];
    layers.push_back(seen_by_layer(own, plans[i].retention, options.context));
  }
  return layers;
}

// Work memory is bounded here, where the message can name the numbers; the rest is the cache's.
Status take_work_memory(AttentionCachePlan& plan) {
  const uint64_t work_bytes = AttentionBuffers::bytes_for(plan.shape, plan.limits.rows) +
                              LayerAttention::bytes_for(plan.shape, plan.limits, plan.thread_count);
  constexpr uint64_t kAbsurdBytes = uint64_t{1} << 46;
  const uint64_t told_bytes = memory_facts().available_bytes;
  const uint64_t available_bytes = told_bytes > 0 ? told_bytes : kAbsurdBytes;
  if (work_bytes > available_bytes) {
    return resource_exhausted(fmt::format(
        "a step of {} rows in {} sequences of {} positions needs {} bytes of work memory, but {} are "
        "available: ask for fewer rows, fewer sequences or a shorter context",
        plan.limits.rows, plan.limits.sequences, plan.limits.context, work_bytes, available_bytes));
  }
  plan.kv.available_bytes = available_bytes - work_bytes;
  return {};
}

}  // namespace

Result<AttentionCachePlan> plan_attention_cache(const AttentionCacheOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_shape(options));
  CAIRN_RETURN_IF_ERROR(check_attention(options));
  AttentionCachePlan plan{.shape = shape_of(options),
                          .key_head_dim = options.head_dim,
                          .value_head_dim = value_head_dim(options),
                          .limits = {.rows = options.step_rows,
                                     .logit_rows = 0,
                                     .sequences = options.max_sequences,
                                     .context = options.context}};
  plan.kv = {.shape = {.layer_count = options.layer_count,
                       .kv_head_count = options.kv_head_count,
                       .head_dim = stored_head_dim(options)},
             .sharing = options.prefix_sharing,
             .context = options.context,
             .max_sequences = options.max_sequences,
             .step_rows = options.step_rows,
             .pool_bytes = options.kv_memory_bytes};
  CAIRN_ASSIGN_OR_RETURN(plan.kv.shape.plan, KvPlan::parse_text_or_json(options.kv_plan));
  CAIRN_ASSIGN_OR_RETURN(plan.kv.shape.visibility, visibility_of(options, plan.kv.shape.plan));
  plan.shape.layers = plan.kv.shape.visibility;
  CAIRN_ASSIGN_OR_RETURN(plan.thread_count, checked_thread_count(options.thread_count));
  CAIRN_ASSIGN_OR_RETURN(plan.kernels, select_kernels(options.isa));
  CAIRN_RETURN_IF_ERROR(take_work_memory(plan));
  return plan;
}

}  // namespace cairn
