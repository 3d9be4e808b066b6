// layer_visibility: which positions the queries of each layer see, by the model's own windows and the KV plan's
// retention together. The cache, attention and the memory plan all take it from here.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "kernels/visibility.h"
#include "kv/kv_plan.h"
#include "model/config.h"

namespace cairn {

// One layer: its own window (0: none), and what the plan leaves of the past. As layer_visibility says.
[[nodiscard]] Visibility seen_by_layer(int64_t own_window, const Visibility& retention, int64_t context);

// One for each layer. A layer whose own window is at most the plan's keeps it, without sinks. A window without sinks
// that no text of `context` positions outgrows is none: nothing is ever out of its sight. With sinks a window stays,
// however wide, for they are a reduction of their own. Errors: KvPlan::resolve's.
[[nodiscard]] Result<std::vector<Visibility>> layer_visibility(const Config& config, const KvPlan& plan,
                                                               int64_t context);

// The largest reach of any layer in a text of `context` positions: one more than the largest distance that RoPE meets.
// `layers` is not empty.
[[nodiscard]] int64_t largest_reach(std::span<const Visibility> layers, int64_t context);

}  // namespace cairn
