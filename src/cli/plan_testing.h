// PlanReports for tests, on a machine of 24 GiB.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <utility>

#include "cli/plan.h"

namespace cairn {

inline constexpr uint64_t kGiB = uint64_t{1} << 30;
inline constexpr MemoryFacts kMachine{.total_bytes = 32 * kGiB, .available_bytes = 24 * kGiB};

inline Result<PlanReport> try_report(const PlanOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(PlannedModel model, planned_model(options));
  return make_plan_report(std::move(model), options, kMachine);
}

inline PlanReport report_of(const PlanOptions& options) {
  auto report = try_report(options);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return std::move(report).value();
}

inline PlanOptions preset(const char* name, int64_t context) {
  PlanOptions options{.preset = name};
  options.context = context;
  options.thread_count = 2;
  return options;
}

inline const CodecRow& codec(const PlanReport& report, std::string_view name) {
  for (const CodecRow& row : report.codecs) {
    if (row.plan == name) return row;
  }
  ADD_FAILURE() << name;
  return report.codecs.front();
}

}  // namespace cairn
