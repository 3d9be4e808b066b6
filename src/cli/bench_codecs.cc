// cairn bench codecs: bytes and changed predictions, by KV plan.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <vector>

#include "cli/bench.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/request_options.h"
#include "engine/evaluation.h"

namespace cairn {
namespace {

void report_text(const std::vector<PlanQuality>& rows, const BenchOptions& options, double elements,
                 Console& console) {
  Table table({{"kv"},
               {"bits an element", Align::kRight},
               {"bytes a token", Align::kRight},
               {"perplexity", Align::kRight},
               {"divergence from f32", Align::kRight},
               {"same best token", Align::kRight}});
  for (const PlanQuality& row : rows) {
    table.add_row({row.plan.text(), fmt::format("{:.1f}", row.position_bytes * 8 / elements),
                   fmt::format("{:.0f}", row.position_bytes), fmt::format("{:.4f}", row.perplexity),
                   fmt::format("{:.6f}", row.divergence), fmt::format("{:.2f} %", row.same_best * 100)});
  }
  console.write(options.table_form == TableForm::kCsv ? table.csv() : table.aligned());
}

void report_json(const std::vector<PlanQuality>& rows, Console& console) {
  boost::json::array list;
  for (const PlanQuality& row : rows) {
    list.push_back(boost::json::object{{"kv", row.plan.text()},
                                       {"position_bytes", row.position_bytes},
                                       {"perplexity", row.perplexity},
                                       {"divergence", row.divergence},
                                       {"same_best", row.same_best},
                                       {"positions", row.position_count}});
  }
  console.write(json_line({{"codecs", std::move(list)}}));
}

}  // namespace

Status bench_codecs(const BenchOptions& options, Console& console) {
  if (!options.text_file.has_value()) {
    return invalid_argument(
        "bench codecs needs a text to compare predictions on: give -f FILE, a book or so");
  }
  PromptOptions prompt;
  prompt.file = options.text_file;
  CAIRN_ASSIGN_OR_RETURN(const std::string text, read_prompt_text(prompt));
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  const Config& config = opened.model->config();
  CAIRN_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, opened.model->tokenizer().encode(text));
  constexpr int64_t kMost = 8192;  // of a book: minutes, not hours
  const auto count = std::min<size_t>(tokens.size(), kMost);
  ProgressBar bar(console, "scoring");
  const EvaluationOptions evaluation{
      .window = options.common.context.value_or(std::min<int64_t>(config.context_length, 1024)),
      .on_progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); }};
  const std::optional<KvPlan>& asked = options.common.kv_plan;
  const std::vector<KvPlan> plans = asked ? std::vector{*asked} : every_codec(config);
  CAIRN_ASSIGN_OR_RETURN(const auto rows, evaluate_plans(opened.model, *opened.threads,
                                                         std::span(tokens).first(count), plans, evaluation));
  if (options.common.output_form == OutputForm::kJson) {
    report_json(rows, console);
    return {};
  }
  console.note(
      fmt::format("{} positions in pieces of {} tokens", rows.front().position_count, evaluation.window));
  report_text(rows, options,
              2.0 * static_cast<double>(config.layer_count * config.kv_head_count * config.head_dim),
              console);
  return {};
}

}  // namespace cairn
