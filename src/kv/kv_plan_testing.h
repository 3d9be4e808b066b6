// What the tests of KvPlan share: the message with which a plan is refused. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "kv/kv_plan.h"

namespace cairn {

inline std::string parse_error(std::string_view text) {
  const auto plan = KvPlan::parse(text);
  EXPECT_FALSE(plan.ok()) << text;
  EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument);
  return plan.status().message();
}

inline std::string json_error(std::string_view json) {
  const auto plan = KvPlan::parse_json(json);
  EXPECT_FALSE(plan.ok()) << json;
  EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument);
  return plan.status().message();
}

}  // namespace cairn
