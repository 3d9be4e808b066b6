#include "cli/verify_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>

#include "base/check.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "kv/kv_cache.h"

namespace cairn {
namespace {

std::string difference_text(const LogitDifference& difference) {
  const std::string text = difference.text == 0 ? "" : fmt::format("text {}, ", difference.text);
  return fmt::format("DIFFERS at {}position {}, token {}: {} instead of {}", text, difference.position,
                     difference.token, difference.found, difference.expected);
}

}  // namespace

bool is_bad(const LawRow& row) {
  return row.outcome == LawOutcome::kDifferent || row.outcome == LawOutcome::kFailed;
}

std::string result_text(const LawRow& row) {
  switch (row.outcome) {
    case LawOutcome::kEqual: return "equal";
    case LawOutcome::kDifferent: return difference_text(*row.difference);
    case LawOutcome::kFailed: return "FAILED: " + with_flags(row.remark);
    case LawOutcome::kNotApplicable: return "not applicable: " + row.remark;
  }
  CHECK(false);
  return {};
}

namespace {

// Rows that differ only in the row type, or a model's under several instruction sets, as one line.
struct Line {
  std::vector<std::string> variants;
  int64_t row_count = 0;
  int64_t position_count = 0;
  uint64_t logit_count = 0;
  std::string result;

  [[nodiscard]] std::string variants_text() const { return fmt::format("{}", fmt::join(variants, " ")); }
};

void add_to(Line& line, const LawRow& row) {
  ++line.row_count;
  line.position_count += row.position_count;
  line.logit_count += row.logit_count;
}

// The line of `lines` with this result, made where there is none.
Line& line_with(std::vector<Line>& lines, const std::string& result) {
  const auto found = std::ranges::find(lines, result, &Line::result);
  if (found != lines.end()) return *found;
  lines.push_back({.result = result});
  return lines.back();
}

std::vector<Line> lines_of_way(const std::vector<LawRow>& rows, const std::string& what) {
  std::vector<Line> lines;
  for (const LawRow& row : rows) {
    if (row.what != what) continue;
    Line& line = line_with(lines, result_text(row));
    line.variants.emplace_back(row.kv_plan.text());
    add_to(line, row);
  }
  return lines;
}

// The plans of a model's rows, in their order.
std::vector<std::string> plans_of(const VerifiedModel& model) {
  std::vector<std::string> plans;
  for (const LawRow& row : model.rows) {
    const std::string plan = row.kv_plan.text();
    if (std::ranges::find(plans, plan) == plans.end()) plans.push_back(plan);
  }
  return plans;
}

// A few plans by their names; all of many by their number: a list under the table has the names.
constexpr size_t kManyPlans = 4;
std::string plans_text(const Line& line, const std::vector<std::string>& plans) {
  const bool is_all = plans.size() >= kManyPlans && line.variants == plans;
  return is_all ? fmt::format("all {}", plans.size()) : line.variants_text();
}

std::string list_of_plans(std::span<const VerifiedModel> models) {
  std::string text;
  std::vector<std::string> listed;
  for (const VerifiedModel& model : models) {
    const std::vector<std::string> plans = plans_of(model);
    if (plans.size() < kManyPlans || plans == listed) continue;
    text += fmt::format("all {}: {}\n", plans.size(), fmt::join(plans, " | "));
    listed = plans;
  }
  return text;
}

// "equal" or the first row that is not.
std::string result_of_model(const VerifiedModel& model) {
  if (!model.not_applicable.empty()) return "not applicable: " + model.not_applicable;
  const auto bad = std::ranges::find_if(model.rows, is_bad);
  if (bad == model.rows.end()) return "equal";
  return fmt::format("{}, {}: {}", bad->what, bad->kv_plan.text(), result_text(*bad));
}

bool is_same_model(const VerifiedModel& a, const VerifiedModel& b) {
  return a.name == b.name && a.weights == b.weights;
}

std::vector<Line> lines_of_model(std::span<const VerifiedModel> models, const VerifiedModel& wanted) {
  std::vector<Line> lines;
  for (const VerifiedModel& model : models) {
    if (!is_same_model(model, wanted)) continue;
    Line& line = line_with(lines, result_of_model(model));
    line.variants.emplace_back(isa_name(model.isa));
    for (const LawRow& row : model.rows) add_to(line, row);
  }
  return lines;
}

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

VerifyCounts count_rows(std::span<const VerifiedModel> models) {
  VerifyCounts counts;
  for (const VerifiedModel& model : models) {
    for (const LawRow& row : model.rows) {
      if (row.outcome == LawOutcome::kNotApplicable) continue;
      ++counts.row_count;
      counts.bad_row_count += is_bad(row) ? 1 : 0;
      counts.logit_count += row.logit_count;
    }
  }
  return counts;
}

std::string ways_table(std::span<const VerifiedModel> models) {
  Table table({{"isa"},
               {"law", Align::kRight},
               {"what was varied"},
               {"KV plans"},
               {"positions", Align::kRight},
               {"logits", Align::kRight},
               {"result"}});
  for (const VerifiedModel& model : models) {
    const std::vector<std::string> plans = plans_of(model);
    std::vector<std::string> listed;
    for (const LawRow& row : model.rows) {
      if (std::ranges::find(listed, row.what) != listed.end()) continue;
      listed.push_back(row.what);
      for (const Line& line : lines_of_way(model.rows, row.what)) {
        table.add_row({std::string(isa_name(model.isa)), fmt::format("{}", row.law), row.what,
                       plans_text(line, plans), grouped(static_cast<uint64_t>(line.position_count)),
                       grouped(line.logit_count), line.result});
      }
    }
  }
  return table.aligned() + list_of_plans(models);
}

std::vector<std::vector<std::string>> model_rows(std::span<const VerifiedModel> models) {
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < models.size(); ++i) {
    const auto is_listed = [&](const VerifiedModel& other) { return is_same_model(other, models[i]); };
    if (std::ranges::any_of(models.first(i), is_listed)) continue;
    for (const Line& line : lines_of_model(models, models[i])) {
      rows.push_back({models[i].name, models[i].weights, line.variants_text(),
                      grouped(static_cast<uint64_t>(line.row_count)),
                      grouped(static_cast<uint64_t>(line.position_count)), grouped(line.logit_count),
                      line.result});
    }
  }
  return rows;
}

std::string verdict(const VerifyCounts& counts) {
  const auto rows = static_cast<uint64_t>(counts.row_count);
  if (counts.bad_row_count == 0) {
    return fmt::format("Every logit is the same to the bit: {} were compared in {} rows.",
                       grouped(counts.logit_count), grouped(rows));
  }
  return fmt::format("{} of {} rows are not as they must be: the logits depend on how they are computed.",
                     grouped(static_cast<uint64_t>(counts.bad_row_count)), grouped(rows));
}

std::string verify_json(std::span<const VerifiedModel> models, Extent extent) {
  const VerifyCounts counts = count_rows(models);
  boost::json::array list;
  for (const VerifiedModel& model : models) list.push_back(model_object(model));
  return json_line({{"equal", counts.bad_row_count == 0},
                    {"complete", extent == Extent::kWhole},
                    {"row_count", counts.row_count},
                    {"bad_row_count", counts.bad_row_count},
                    {"logit_count", counts.logit_count},
                    {"models", std::move(list)}});
}

}  // namespace cairn
