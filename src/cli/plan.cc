// cairn plan.
#include "cli/plan.h"

#include <fmt/format.h>

#include "base/machine.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/output_format.h"

namespace cairn {

Status run_plan(const PlanOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(PlannedModel model, planned_model(options));
  CAIRN_ASSIGN_OR_RETURN(const PlanReport report,
                         make_plan_report(std::move(model), options, memory_facts()));
  print_notes(report.model.notes, console);
  if (report.context_is_beyond_model()) {
    const std::string_view what = report.config().learned_positions
                                      ? "it cannot run with {}, so this plan is arithmetic only"
                                      : "with {} text gets worse, and needs --extend-context";
    console.note(fmt::format("{} was made for {} positions: ", report.model.name,
                             grouped(static_cast<uint64_t>(report.config().context_length))) +
                 fmt::format(fmt::runtime(what), grouped(static_cast<uint64_t>(report.reach))));
  }
  console.write(options.output_form == OutputForm::kJson ? plan_json(report) : plan_text(report));
  return {};
}

}  // namespace cairn
