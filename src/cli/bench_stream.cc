// cairn bench stream: one text without end: speed, memory and, of a given text, perplexity, part by part.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/exact_math.h"
#include "base/machine.h"
#include "base/printable.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/request_options.h"
#include "cli/row_writer.h"
#include "engine/engine.h"
#include "engine/log_softmax.h"

namespace cairn {
namespace {

constexpr int64_t kParts = 10;
constexpr int64_t kTokens = 100'000;  // without -n

// A tenth of the stream.
struct Part {
  int64_t end = 0;  // of the stream, in tokens
  double tokens_per_second = 0;
  uint64_t used_bytes = 0;      // of the cache's blocks, at its end
  uint64_t resident_bytes = 0;  // of the process
  std::optional<double> perplexity = {};
};

// What a stream says: a given text, or the model's own words.
struct Script {
  std::vector<TokenId> begin;
  std::vector<TokenId> text;  // empty: the model's own
  int64_t token_count = 0;
};

double perplexity_of(double loss, int64_t count) {
  return exact::exp(loss / static_cast<double>(std::max<int64_t>(count, 1)));
}

// Runs the script on an engine of its own, and calls back at the end of each part.
class Stream {
 public:
  Stream(const OpenModel& opened, const Script& script, LongRun& progress)
      : opened_(opened), script_(script), progress_(progress) {}

  Status run(const KvPlan& plan, const std::function<void(const Part&)>& on_part) {
    EngineOptions options = opened_.engine_options;
    options.kv_plan = plan;
    CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened_.model, *opened_.threads, options));
    on_part_ = on_part;
    part_begin_ns_ = clock_.now_ns();
    CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine->submit(request(*engine)));
    while (!engine->idle()) {
      if (progress_.is_stopped()) engine->cancel(id);
      engine->step();
    }
    return status_;
  }

 private:
  Request request(const Engine& engine) {
    Request request{.prompt = script_.begin, .max_tokens = script_.token_count};
    request.ignore_end_tokens = true;
    request.sampling.seed = 1;
    request.forced_tokens = script_.text;
    request.on_logits = [this](int64_t, std::span<const float> logits) { score(logits); };
    request.on_token = [this, &engine](TokenId) { count(engine); };
    request.on_finish = [this](const RequestResult& result) { status_ = result.status; };
    return request;
  }

  // Of the token that the text goes on with.
  void score(std::span<const float> logits) {
    if (script_.text.empty()) return;
    const LogNormaliser normaliser = log_normaliser(logits);
    const auto token = static_cast<size_t>(script_.text[static_cast<size_t>(count_)]);
    loss_ += normaliser.peak + normaliser.log_sum - static_cast<double>(logits[token]);
  }

  void count(const Engine& engine) {
    ++count_;
    progress_.update(static_cast<uint64_t>(count_), static_cast<uint64_t>(script_.token_count));
    if (count_ * kParts / script_.token_count == (count_ - 1) * kParts / script_.token_count) return;
    const uint64_t now_ns = clock_.now_ns();
    const int64_t tokens = count_ - part_begin_;
    Part part{
        .end = count_,
        .tokens_per_second = static_cast<double>(tokens) * 1e9 / static_cast<double>(now_ns - part_begin_ns_),
        .used_bytes = engine.cache().used_bytes(),
        .resident_bytes = resident_facts().current_bytes};
    if (!script_.text.empty()) part.perplexity = perplexity_of(loss_, tokens);
    on_part_(part);
    part_begin_ = count_;
    part_begin_ns_ = clock_.now_ns();
    loss_ = 0;
  }

  const OpenModel& opened_;
  const Script& script_;
  LongRun& progress_;
  SteadyClock clock_;
  std::function<void(const Part&)> on_part_;
  Status status_;
  int64_t count_ = 0;
  int64_t part_begin_ = 0;
  uint64_t part_begin_ns_ = 0;
  double loss_ = 0;
};

Result<Script> make_script(const BenchOptions& options, const Tokenizer& tokenizer) {
  Script script{.token_count = options.token_count.value_or(kTokens)};
  script.begin = {tokenizer.bos().value_or(TokenId{0})};
  if (options.text_files.empty()) return script;
  PromptOptions prompt;
  prompt.file = options.text_files.front();
  CAIRN_ASSIGN_OR_RETURN(const std::string text, read_prompt_text(prompt));
  CAIRN_ASSIGN_OR_RETURN(script.text, tokenizer.encode(text, {.bos_eos = BosEos::kNone}));
  if (script.text.empty()) {
    return invalid_argument(fmt::format("{} has no text to measure on", printable_path(prompt.file.value())));
  }
  script.token_count =
      std::min(options.token_count.value_or(std::ssize(script.text)), std::ssize(script.text));
  script.text.resize(static_cast<size_t>(script.token_count));
  return script;
}

boost::json::object part_json(const Part& part) {
  boost::json::object object{{"tokens", part.end},
                             {"tokens_per_second", part.tokens_per_second},
                             {"used_bytes", part.used_bytes},
                             {"resident_bytes", part.resident_bytes}};
  if (part.perplexity.has_value()) object["perplexity"] = *part.perplexity;
  return object;
}

class Report {
 public:
  Report(const BenchOptions& options, bool has_text, Console& console)
      : form_(options.common.output_form),
        console_(console),
        rows_(console, options.table_form, columns(has_text)) {}

  void add(std::string_view plan, const Part& part) {
    if (form_ == OutputForm::kJson) {
      boost::json::object object = part_json(part);
      object["kv"] = plan;
      list_.push_back(std::move(object));
      return;
    }
    std::vector<std::string> cells{std::string(plan), grouped(static_cast<uint64_t>(part.end)),
                                   fmt::format("{:.1f}", part.tokens_per_second), grouped(part.used_bytes),
                                   grouped(part.resident_bytes)};
    if (part.perplexity.has_value()) cells.push_back(fmt::format("{:.3f}", *part.perplexity));
    rows_.add_row(cells);
  }
  void finish() {
    if (form_ == OutputForm::kJson) console_.write(json_line({{"stream", std::move(list_)}}));
  }

 private:
  static std::vector<RowWriter::Column> columns(bool has_text) {
    std::vector<RowWriter::Column> columns{{"kv", Align::kLeft, 24},
                                           {"tokens", Align::kRight, 10},
                                           {"tokens/s", Align::kRight, 9},
                                           {"bytes of blocks", Align::kRight, 15},
                                           {"bytes of the process", Align::kRight, 20}};
    if (has_text) columns.push_back({"perplexity", Align::kRight, 10});
    return columns;
  }

  OutputForm form_;
  Console& console_;
  RowWriter rows_;
  boost::json::array list_;
};

}  // namespace

Status bench_stream(const BenchOptions& options, const BenchRun& run) {
  CommonOptions common = options.common;
  common.context = kEndless;
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(common, run.console));
  CAIRN_ASSIGN_OR_RETURN(const Script script, make_script(options, opened.model->tokenizer()));
  const KvPlan& plan = opened.engine_options.kv_plan;
  Report report(options, !script.text.empty(), run.console);
  std::vector<std::pair<std::string, KvPlan>> plans{{plan.text(), plan}};
  if (!script.text.empty()) {
    if (const KvPlan bare = plan.without_sinks(); bare != plan) plans.emplace_back("without sinks", bare);
  }
  for (const auto& [name, one] : plans) {
    LongRun progress(run.console, run.interrupt, name);
    CAIRN_RETURN_IF_ERROR(
        Stream(opened, script, progress).run(one, [&](const Part& part) { report.add(name, part); }));
    if (progress.is_stopped()) break;
  }
  report.finish();
  return {};
}

}  // namespace cairn
