#include "kv/kv_plan_lists.h"

namespace cairn {

std::vector<KvPlan> kv_plans_of_every_format() {
  std::vector<KvPlan> plans;
  for (const KvFormatInfo& info : kKvFormats) plans.emplace_back(info.format);
  return plans;
}

std::vector<KvPlan> kv_plans_of_common_formats() {
  std::vector<KvPlan> plans;
  for (const KvFormatInfo& info : kKvFormats) {
    if (info.use == KvFormatUse::kCommon) plans.emplace_back(info.format);
  }
  return plans;
}

}  // namespace cairn
