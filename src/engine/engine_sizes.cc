// How large an engine's parts are for its options: what its parts are made of, and memory is planned by.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/pace_limits.h"

namespace cairn {

Status Engine::check_options(const EngineOptions& options) {
  CAIRN_RETURN_IF_ERROR(KvGeometry::check_extent(options.context, options.max_sequences));
  if (options.prefill_chunk > KvGeometry::kMaxPositions) {
    return invalid_argument(
        fmt::format("a prefill chunk of {} rows is not possible: `prefill_chunk` must be at most {}",
                    options.prefill_chunk, KvGeometry::kMaxPositions));
  }
  if (options.prefill_chunk < 1) {
    return invalid_argument(
        fmt::format("a prefill chunk of {} rows is not possible: `prefill_chunk` must be at least 1",
                    options.prefill_chunk));
  }
  if (options.pace.has_value() && (*options.pace < kLeastPace || *options.pace > kMostPace)) {
    return invalid_argument(fmt::format("a pace of {} percent is not possible: `pace` must be from {} to {}",
                                        *options.pace, kLeastPace, kMostPace));
  }
  if (options.drafter != nullptr && options.storage == KvStorageKind::kNone) {
    return invalid_argument(
        "`speculation` needs a cache that keeps rows: without one each guess costs a whole text");
  }
  if (options.score_chunk < 1) {
    return invalid_argument(
        fmt::format("a score chunk of {} rows is not possible: it must be at least 1", options.score_chunk));
  }
  return {};
}

int64_t Engine::prefill_rows(const EngineOptions& options) {
  if (options.storage == KvStorageKind::kNone) return options.context;
  return std::min(options.prefill_chunk, options.context * options.max_sequences);
}

int64_t Engine::step_rows(const EngineOptions& options) {
  // Beside a prompt, each other sequence may decode one row.
  return prefill_rows(options) + options.max_sequences - 1;
}

int64_t Engine::step_logit_rows(const EngineOptions& options) {
  return std::min(options.score_chunk, options.context) + options.max_sequences - 1;
}

ForwardLimits Engine::forward_limits(const EngineOptions& options) {
  return {.rows = step_rows(options),
          .logit_rows = step_logit_rows(options),
          .sequences = options.max_sequences,
          .context = options.context};
}

KvCacheOptions Engine::cache_options(const KvShape& shape, const EngineOptions& options) {
  return {.shape = shape,
          .storage = options.storage,
          .sharing = options.sharing,
          .context = options.context,
          .max_sequences = options.max_sequences,
          .step_rows = std::max<int64_t>(step_rows(options), 1),
          .pool_bytes = options.pool_bytes,
          .available_bytes = options.available_bytes};
}

}  // namespace cairn
