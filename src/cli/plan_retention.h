// KV plans that differ from another one in one thing. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "cairn/status.h"
#include "kv/kv_plan.h"
#include "model/config.h"

namespace cairn {

// The plan that is meant where none is named: f16; of a text without end (context kEndless), kEndlessPlan.
[[nodiscard]] KvPlan usual_kv_plan(std::optional<int64_t> context);

// All layers with this codec (a plan of one codec), and what `plan` leaves them of the past. Errors: KvPlan::resolve's.
Result<KvPlan> with_codec(const KvPlan& codec, const KvPlan& plan, const Config& config);
// The codecs of `plan`, and the same retention in all layers. Errors: KvPlan::resolve's.
Result<KvPlan> with_retention(const Visibility& retention, const KvPlan& plan, const Config& config);
// The same without sinks; nothing where it has none. Errors: KvPlan::resolve's.
Result<std::optional<KvPlan>> without_sinks(const KvPlan& plan, const Config& config);
// Whether it leaves any layer less than all of the past. Errors: KvPlan::resolve's.
Result<bool> has_retention(const KvPlan& plan, const Config& config);

}  // namespace cairn
