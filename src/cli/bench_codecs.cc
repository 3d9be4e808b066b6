// cairn bench codecs: bytes and changed predictions, by KV plan.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <vector>

#include "cli/bench.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/request_options.h"
#include "engine/evaluation.h"
#include "text/conversation.h"

namespace cairn {
namespace {

// "int4 (int4:channel:hadamard)" where the plan leaves the choice to the model's heads.
std::string plan_text(const KvPlan& plan, const Config& config) {
  std::string text = plan.text();
  const auto codecs = plan.resolve(config.layer_count, config.head_dim);
  if (!codecs.ok() || !codecs->front().retention.sees_all() ||
      std::ranges::adjacent_find(*codecs, std::ranges::not_equal_to()) != codecs->end()) {
    return text;
  }
  const std::string exact = KvPlan(codecs->front()).text();
  return exact == text ? text : fmt::format("{} ({})", text, exact);
}

void report_text(const Evaluation& evaluation, const BenchOptions& options, const Config& config,
                 Console& console) {
  const auto elements = static_cast<double>(2 * config.layer_count * config.kv_head_count * config.head_dim);
  Table table({{"kv"},
               {"bits an element", Align::kRight},
               {"bytes a token", Align::kRight},
               {"open rows", Align::kRight},
               {"perplexity", Align::kRight},
               {"divergence", Align::kRight},
               {"same best token", Align::kRight}});
  for (const PlanQuality& row : evaluation.plans) {
    table.add_row({plan_text(row.plan, config), fmt::format("{:.1f}", row.position_bytes * 8 / elements),
                   fmt::format("{:.0f}", row.position_bytes), std::to_string(row.open_bytes),
                   fmt::format("{:.4f}", row.perplexity), fmt::format("{:.7f}", row.divergence),
                   fmt::format("{:.2f} %", row.same_best * 100)});
  }
  console.write(options.table_form == TableForm::kCsv ? table.csv() : table.aligned());
}

void report_json(const Evaluation& evaluation, const KvPlan& reference, const Config& config,
                 Console& console) {
  boost::json::array list;
  for (const PlanQuality& row : evaluation.plans) {
    list.push_back(boost::json::object{{"kv", row.plan.text()},
                                       {"codecs", plan_text(row.plan, config)},
                                       {"position_bytes", row.position_bytes},
                                       {"open_bytes", row.open_bytes},
                                       {"perplexity", row.perplexity},
                                       {"divergence", row.divergence},
                                       {"same_best", row.same_best},
                                       {"positions", evaluation.position_count}});
  }
  console.write(json_line({{"reference", reference.text()},
                           {"reference_perplexity", evaluation.reference_perplexity},
                           {"complete", evaluation.is_complete},
                           {"codecs", std::move(list)}}));
}

// Documents of a text are apart where a line says <|endoftext|>, as in many collections.
std::vector<std::string_view> documents_of(std::string_view text) {
  constexpr std::string_view kLine = "<|endoftext|>";
  std::vector<std::string_view> documents;
  size_t begin = 0;
  for (size_t at = text.find(kLine); at != std::string_view::npos; at = text.find(kLine, at + 1)) {
    const size_t end = at + kLine.size();
    const bool is_line =
        (at == 0 || text[at - 1] == '\n') && (end == text.size() || text[end] == '\n' || text[end] == '\r');
    if (!is_line) continue;
    documents.push_back(text.substr(begin, at - begin));
    begin = text.find('\n', end);
    begin = begin == std::string_view::npos ? text.size() : begin + 1;
  }
  documents.push_back(text.substr(begin));
  return documents;
}

// The documents of all files, without special tokens; at most options.token_count tokens of a file.
Result<std::vector<std::vector<TokenId>>> encoded(const std::vector<std::string>& texts,
                                                  const BenchOptions& options, const Tokenizer& tokenizer) {
  std::vector<std::vector<TokenId>> documents;
  for (const std::string& text : texts) {
    auto room = static_cast<size_t>(options.token_count.value_or(std::ssize(text) + 1));
    for (const std::string_view document : documents_of(text)) {
      if (room == 0) break;
      CAIRN_ASSIGN_OR_RETURN(auto tokens, tokenizer.encode(document, {.bos_eos = BosEos::kNone}));
      tokens.resize(std::min(tokens.size(), room));
      room -= tokens.size();
      if (!tokens.empty()) documents.push_back(std::move(tokens));
    }
  }
  return documents;
}

Result<std::vector<std::string>> read_texts(const BenchOptions& options) {
  if (options.text_files.empty()) {
    return invalid_argument(
        "bench codecs needs a text to compare predictions on: give -f FILE, a book or so");
  }
  std::vector<std::string> texts;
  for (const std::string& file : options.text_files) {
    PromptOptions prompt;
    prompt.file = file;
    CAIRN_ASSIGN_OR_RETURN(texts.emplace_back(), read_prompt_text(prompt));
  }
  return texts;
}

std::vector<KvPlan> chosen_plans(const BenchOptions& options, const Config& config) {
  if (options.common.kv_plan.has_value()) return {*options.common.kv_plan};
  return options.every_codec ? every_codec(config) : codecs_to_compare(config);
}

// One sequence of this context is planned for, though several engines run.
Result<OpenModel> open(const BenchOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path(options.common));
  OpenOptions open = open_options(options.common);
  open.weights_form = options.weights_form;
  CAIRN_ASSIGN_OR_RETURN(OpenModel opened, open_model(path, std::move(open), console));
  if (options.common.shows_notes) print_notes(opened.model->notes(), console);
  return opened;
}

}  // namespace

Status bench_codecs(const BenchOptions& options, const BenchRun& run) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> texts, read_texts(options));
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open(options, run.console));
  const Config& config = opened.model->config();
  const Tokenizer& tokenizer = opened.model->tokenizer();
  CAIRN_ASSIGN_OR_RETURN(const auto documents, encoded(texts, options, tokenizer));
  LongRun progress(run.console, run.interrupt, "scoring");
  EvaluationOptions how{.window = opened.engine_options.context,
                        .on_progress = [&](uint64_t done, uint64_t total) { progress.update(done, total); },
                        .keeps_going = [&] { return !progress.is_stopped(); }};
  if (adds_bos(tokenizer)) how.first_token = tokenizer.bos();
  if (options.reference.has_value()) how.reference = *options.reference;
  const std::vector<KvPlan> plans = chosen_plans(options, config);
  CAIRN_ASSIGN_OR_RETURN(const auto evaluation,
                         evaluate_plans(opened.model, *opened.threads, documents, plans, how));
  if (options.common.output_form == OutputForm::kJson) {
    report_json(evaluation, how.reference, config, run.console);
    return {};
  }
  if (evaluation.position_count == 0) return {};
  run.console.note(
      fmt::format("{} predictions in {} document{}, pieces of at most {} tokens{}; divergence from {}, whose "
                  "perplexity is {:.4f}{}",
                  grouped(static_cast<uint64_t>(evaluation.position_count)), documents.size(),
                  documents.size() == 1 ? "" : "s", how.window,
                  how.first_token.has_value() ? " (BOS included)" : "", how.reference.text(),
                  evaluation.reference_perplexity, evaluation.is_complete ? "" : "; stopped before the end"));
  report_text(evaluation, options, config, run.console);
  return {};
}

}  // namespace cairn
