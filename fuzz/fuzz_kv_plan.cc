// Any bytes as a KV plan, in its own grammar and as JSON: an error message, or a plan that its own text
// reproduces, and whose layers resolve to what a cache can hold or report why not.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "kv/geometry.h"
#include "kv/kv_plan.h"

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

bool is_possible(const cairn::Visibility& retention) {
  if (retention.sees_all()) return retention.sinks == 0;
  return retention.window >= 1 && retention.window <= cairn::KvGeometry::kMaxPositions &&
         retention.sinks >= 0 && retention.sinks <= cairn::Visibility::kMaxSinks;
}

void use(const cairn::Result<cairn::KvPlan>& plan) {
  check(plan.ok() || !plan.status().message().empty());
  if (!plan.ok()) return;
  const auto again = cairn::KvPlan::parse(plan->text());
  check(again.ok() && *again == *plan && again->text() == plan->text());
  for (const int64_t layer_count : {1, 32}) {
    const auto layers = plan->resolve(layer_count, 64);
    check(layers.ok() ? std::ssize(*layers) == layer_count : !layers.status().message().empty());
    if (!layers.ok()) continue;
    for (const cairn::KvLayerPlan& layer : *layers) check(is_possible(layer.retention));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  use(cairn::KvPlan::parse(text));
  use(cairn::KvPlan::parse_json(text));
  return 0;
}
