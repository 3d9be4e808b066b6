#include "cli/bench_plans.h"

#include <bit>
#include <string_view>

namespace cairn {

std::vector<KvPlan> every_codec(const Config& config) {
  constexpr std::string_view kTexts[] = {"f32",
                                         "f16",
                                         "bf16",
                                         "fp8_e4m3",
                                         "fp8_e5m2",
                                         "int8",
                                         "k=int8:channel,v=int8",
                                         "k=int4:token,v=int4",
                                         "k=int4:token:hadamard,v=int4:hadamard",
                                         "int4",
                                         "k=int4,v=int8",
                                         "k=int8,v=int4",
                                         "int3",
                                         "int2"};
  std::vector<KvPlan> plans;
  for (const std::string_view text : kTexts) {
    const bool turns = text.find("hadamard") != std::string_view::npos;
    if (turns && !std::has_single_bit(static_cast<uint64_t>(config.head_dim))) continue;
    plans.push_back(KvPlan::parse(text).value());
  }
  return plans;
}

}  // namespace cairn
