#include "cli/verify_lines.h"

#include <fmt/format.h>

#include "cli/output_format.h"

namespace cairn {

PlanLines::PlanLines(const Watch& watch)
    : watch_(watch),
      writer_(watch.console, TableForm::kAligned,
              {{"isa", Align::kLeft, 7},
               {"KV plan", Align::kLeft, 42},
               {"ways", Align::kRight},
               {"positions", Align::kRight},
               {"logits", Align::kRight, 13},
               {"result"}}) {}

void PlanLines::add(const LawRow& row) {
  if (plan_.has_value() && *plan_ != row.kv_plan) end();
  plan_ = row.kv_plan;
  if (row.outcome == LawOutcome::kNotApplicable) {
    remark_ = row.remark;
    return;
  }
  ++counts_.row_count;
  counts_.logit_count += row.logit_count;
  position_count_ += row.position_count;
  if (!is_bad(row)) return;
  ++counts_.bad_row_count;
  watch_.say(fmt::format("{}, {}, law {}, {}: {}\n", isa_name(isa_), row.kv_plan.text(), row.law, row.what,
                         result_text(row)));
}

void PlanLines::end() {
  if (!plan_.has_value()) return;
  const bool has_rows = counts_.row_count > 0;
  const std::string good = has_rows ? "equal" : "not applicable: " + remark_;
  const std::string result =
      counts_.bad_row_count == 0 ? good : fmt::format("{} NOT EQUAL", counts_.bad_row_count);
  if (watch_.lines == Watch::Lines::kShown) {
    writer_.add_row({std::string(isa_name(isa_)), plan_->text(),
                     grouped(static_cast<uint64_t>(counts_.row_count)),
                     grouped(static_cast<uint64_t>(position_count_)), grouped(counts_.logit_count), result});
  }
  plan_.reset();
  counts_ = {};
  position_count_ = 0;
  remark_.clear();
}

ModelLines::ModelLines(const Watch& watch)
    : watch_(watch),
      writer_(watch.console, TableForm::kAligned,
              {{"model", Align::kLeft, 18},
               {"weights", Align::kLeft},
               {"isa", Align::kLeft, 19},
               {"rows", Align::kRight, 6},
               {"positions", Align::kRight},
               {"logits", Align::kRight, 13},
               {"result"}}) {}

void ModelLines::add(std::span<const VerifiedModel> models) {
  if (watch_.lines == Watch::Lines::kNone) return;
  for (const auto& cells : model_rows(models)) writer_.add_row(cells);
}

}  // namespace cairn
