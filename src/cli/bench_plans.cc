#include "cli/bench_plans.h"

#include <bit>
#include <string_view>

#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

// What a format alone does not show: the axis, rotation, and keys and values apart.
constexpr std::string_view kComparisons[] = {"k=int8:channel,v=int8", "int4:token", "int4:token:hadamard",
                                             "k=int4,v=int8", "k=int8,v=int4"};

}  // namespace

std::vector<KvPlan> every_codec(const Config& config) {
  std::vector<KvPlan> plans = kv_plans_of_every_format();
  for (const std::string_view text : kComparisons) {
    const bool turns = text.find("hadamard") != std::string_view::npos;
    if (turns && !std::has_single_bit(static_cast<uint64_t>(config.head_dim))) continue;
    plans.push_back(KvPlan::parse(text).value());
  }
  return plans;
}

}  // namespace cairn
