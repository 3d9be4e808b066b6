#include "cli/plan.h"

#include <fmt/format.h>

#include "base/machine.h"
#include "cli/console.h"
#include "cli/plan_report.h"
#include "cli/table.h"

namespace cairn {
namespace {}  // namespace

Status run_plan(const PlanOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(PlannedModel model, planned_model(options));
  CAIRN_ASSIGN_OR_RETURN(const PlanReport report,
                         make_plan_report(std::move(model), options, memory_facts()));
  if (report.context_is_beyond_model()) {
    console.note(fmt::format("{} was made for {} positions: a context of {} is arithmetic only",
                             report.model.name,
                             grouped(static_cast<uint64_t>(report.config().context_length)),
                             grouped(static_cast<uint64_t>(report.wish.engine.context))));
  }
  console.write(options.output_form == OutputForm::kJson ? plan_json(report) : plan_text(report));
  return {};
}

}  // namespace cairn
