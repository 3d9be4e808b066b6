#include "kv/kv_plan_lists.h"

namespace cairn {

KvPlan kv_plan_of(KvFormat format) {
  return KvPlan({.keys = {.format = format, .axis = kv_default_axis(format, KvSide::kKeys)},
                 .values = {.format = format, .axis = kv_default_axis(format, KvSide::kValues)}});
}

std::vector<KvPlan> kv_plans_of_every_format() {
  std::vector<KvPlan> plans;
  for (const KvFormatInfo& info : kKvFormats) plans.push_back(kv_plan_of(info.format));
  return plans;
}

std::vector<KvPlan> kv_plans_of_common_formats() {
  std::vector<KvPlan> plans;
  for (const KvFormatInfo& info : kKvFormats) {
    if (info.use == KvFormatUse::kCommon) plans.push_back(kv_plan_of(info.format));
  }
  return plans;
}

}  // namespace cairn
