#include "kv/kv_plan_lists.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cairn {
namespace {

TEST(KvPlanLists, ThePlanOfAFormatIsWhatItsNameMeans) {
  for (const KvFormatInfo& info : kKvFormats) {
    const KvPlan plan(info.format);
    EXPECT_EQ(plan, *KvPlan::parse(info.name)) << info.name;
    EXPECT_EQ(plan.text(), info.name);
  }
}

TEST(KvPlanLists, HoldEveryFormatAndTheCommonOnes) {
  EXPECT_EQ(kv_plans_of_every_format().size(), kKvFormats.size());
  EXPECT_EQ(kv_plans_of_every_format().front().text(), "f32");
  std::vector<std::string> common;
  for (const KvPlan& plan : kv_plans_of_common_formats()) common.push_back(plan.text());
  EXPECT_EQ(common, (std::vector<std::string>{"f32", "f16", "int8", "int4"}));
}

}  // namespace
}  // namespace cairn
