// Any bytes as a KV plan, in its own grammar and as JSON: an error message, or a plan that its own text
// reproduces, and whose layers resolve or report why not.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "kv/kv_plan.h"

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

void use(const cairn::Result<cairn::KvPlan>& plan) {
  check(plan.ok() || !plan.status().message().empty());
  if (!plan.ok()) return;
  const auto again = cairn::KvPlan::parse(plan->text());
  check(again.ok() && *again == *plan && again->text() == plan->text());
  for (const int64_t layer_count : {1, 32}) {
    const auto codecs = plan->resolve(layer_count, 64);
    check(codecs.ok() ? static_cast<int64_t>(codecs->size()) == layer_count
                      : !codecs.status().message().empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  use(cairn::KvPlan::parse(text));
  use(cairn::KvPlan::parse_json(text));
  return 0;
}
