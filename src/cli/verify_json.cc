// What cairn verify found, as --json prints it.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <cmath>

#include "base/check.h"
#include "cli/json_text.h"
#include "cli/verify_report.h"
#include "kv/kv_cache.h"

namespace cairn {
namespace {

std::string_view outcome_name(LawOutcome outcome) {
  switch (outcome) {
    case LawOutcome::kEqual: return "equal";
    case LawOutcome::kDifferent: return "different";
    case LawOutcome::kFailed: return "failed";
    case LawOutcome::kNotApplicable: return "not applicable";
  }
  CHECK(false);
  return {};
}

// JSON knows no NaN and no infinity: those are strings.
boost::json::value number(float value) {
  if (std::isfinite(value)) return static_cast<double>(value);
  return boost::json::string(fmt::format("{}", value));
}

boost::json::object row_object(const LawRow& row) {
  boost::json::object object{{"law", row.law},
                             {"what", row.what},
                             {"kv", row.kv_plan.text()},
                             {"outcome", outcome_name(row.outcome)},
                             {"position_count", row.position_count},
                             {"logit_count", row.logit_count}};
  if (!row.remark.empty()) object["remark"] = json_text(row.remark);
  if (row.difference.has_value()) {
    object["difference"] = {{"text", row.difference->text},
                            {"position", row.difference->position},
                            {"token", row.difference->token},
                            {"expected", number(row.difference->expected)},
                            {"found", number(row.difference->found)}};
  }
  return object;
}

boost::json::object model_object(const VerifiedModel& model) {
  boost::json::array rows;
  for (const LawRow& row : model.rows) rows.push_back(row_object(row));
  boost::json::object object{{"model", json_text(model.name)}, {"isa", isa_name(model.isa)}};
  if (!model.weights.empty()) object["weights"] = model.weights;
  if (!model.not_applicable.empty()) object["not_applicable"] = json_text(model.not_applicable);
  object["rows"] = std::move(rows);
  return object;
}

}  // namespace

std::string verify_json(std::span<const VerifiedModel> models) {
  const VerifyCounts counts = count_rows(models);
  boost::json::array list;
  for (const VerifiedModel& model : models) list.push_back(model_object(model));
  return json_line({{"equal", counts.bad_row_count == 0},
                    {"row_count", counts.row_count},
                    {"bad_row_count", counts.bad_row_count},
                    {"logit_count", counts.logit_count},
                    {"models", std::move(list)}});
}

}  // namespace cairn
