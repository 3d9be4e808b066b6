// cairn bench cache: generating with and without the cache, and the counts beside their formulas.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/output_format.h"

namespace cairn {
namespace {

constexpr std::array<int64_t, 3> kLengths = {128, 512, 2048};

// What one run had done when it had generated kLengths[i] tokens.
struct Mark {
  double seconds = 0;
  CacheWork work;
  bool layers_agree = true;  // every layer without a window computed the same number of scores
};

CacheWork counted(const RequestStats& stats, const Config& config, bool* layers_agree) {
  CacheWork work{stats.projected_positions, 0};
  for (size_t layer = 0; layer < stats.scores_by_layer.size(); ++layer) {
    if (config.layers[layer].window != 0) continue;
    if (work.scores != 0 && stats.scores_by_layer[layer] != work.scores) *layers_agree = false;
    work.scores = stats.scores_by_layer[layer];
  }
  return work;
}

// One run to the longest length serves all: marks are taken on the way.
Result<std::vector<Mark>> run_marked(const OpenModel& opened, EngineOptions settings, KvStorageKind storage,
                                     const std::vector<int64_t>& lengths, Console& console) {
  settings.storage = storage;
  settings.context = lengths.back() + 1;
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, settings));
  std::vector<Mark> marks;
  Status status;
  int64_t generated = 0;
  RequestId id;
  ProgressBar bar(console, storage == KvStorageKind::kNone ? "without the cache" : "with the cache");
  const SteadyClock clock;

  Request request;
  request.prompt = {opened.model->tokenizer().bos().value_or(0)};
  request.max_tokens = lengths.back();
  request.ignore_end_tokens = true;
  request.sampling.temperature = 0;
  const uint64_t start = clock.now_ns();
  request.on_token = [&](TokenId) {
    ++generated;
    bar.update(
        static_cast<uint64_t>(generated * (storage == KvStorageKind::kNone ? generated : 1)),
        static_cast<uint64_t>(lengths.back() * (storage == KvStorageKind::kNone ? lengths.back() : 1)));
    if (!std::ranges::binary_search(lengths, generated)) return;
    Mark mark{.seconds = static_cast<double>(clock.now_ns() - start) * 1e-9};
    mark.work = counted(*engine->stats(id), opened.model->config(), &mark.layers_agree);
    marks.push_back(mark);
  };
  request.on_finish = [&](const RequestResult& result) { status = result.status; };
  CAIRN_ASSIGN_OR_RETURN(id, engine->submit(std::move(request)));
  while (!engine->idle()) engine->step();
  CAIRN_RETURN_IF_ERROR(status);
  return marks;
}

bool same(const CacheWork& a, const CacheWork& b) {
  return a.positions == b.positions && a.scores == b.scores;
}

struct Comparison {
  int64_t length = 0;
  Mark with, without;
  CacheWork with_formula, without_formula;

  [[nodiscard]] double speed_up() const { return without.seconds / with.seconds; }
  [[nodiscard]] bool agrees() const {
    return same(with.work, with_formula) && same(without.work, without_formula) && with.layers_agree &&
           without.layers_agree;
  }
};

std::string beside(uint64_t counted_work, uint64_t formula) {
  return counted_work == formula ? grouped(counted_work) + " ="
                                 : grouped(counted_work) + " != " + grouped(formula);
}

void report_text(const std::vector<Comparison>& rows, const BenchOptions& options, Console& console) {
  Table table({{"tokens", Align::kRight},
               {"cache"},
               {"time", Align::kRight},
               {"times faster", Align::kRight},
               {"positions projected", Align::kRight},
               {"scores a layer and head", Align::kRight}});
  for (const Comparison& row : rows) {
    table.add_row({std::to_string(row.length), "without", human_ns(row.without.seconds * 1e9), "",
                   beside(row.without.work.positions, row.without_formula.positions),
                   beside(row.without.work.scores, row.without_formula.scores)});
    table.add_row({"", "with", human_ns(row.with.seconds * 1e9), fmt::format("{:.1f}", row.speed_up()),
                   beside(row.with.work.positions, row.with_formula.positions),
                   beside(row.with.work.scores, row.with_formula.scores)});
  }
  console.write(options.table_form == TableForm::kCsv ? table.csv() : table.aligned());
  console.note(
      "\"=\": the engine's count equals the formula. Prompt n = 1, generated m: without m n + m (m-1)/2 "
      "positions "
      "and, over the steps, the sum of t (t+1)/2 scores; with n + m - 1 positions and the sum of t scores.");
}

void report_json(const std::vector<Comparison>& rows, Console& console) {
  boost::json::array list;
  for (const Comparison& row : rows) {
    list.push_back(boost::json::object{{"tokens", row.length},
                                       {"with_s", row.with.seconds},
                                       {"without_s", row.without.seconds},
                                       {"times_faster", row.speed_up()},
                                       {"with_positions", row.with.work.positions},
                                       {"without_positions", row.without.work.positions},
                                       {"with_scores", row.with.work.scores},
                                       {"without_scores", row.without.work.scores},
                                       {"formulas_agree", row.agrees()}});
  }
  console.write(json_line({{"lengths", std::move(list)}}));
}

}  // namespace

CacheWork work_without_cache(uint64_t prompt, uint64_t generated) {
  CacheWork work{generated * prompt + generated * (generated - 1) / 2, 0};
  for (uint64_t t = prompt; t < prompt + generated; ++t) work.scores += t * (t + 1) / 2;
  return work;
}

CacheWork work_with_cache(uint64_t prompt, uint64_t generated) {
  const uint64_t positions = prompt + generated - 1;
  return {positions, positions * (positions + 1) / 2};
}

Status bench_cache(const BenchOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, console));
  const EngineOptions& settings = opened.engine_options;
  std::vector<int64_t> lengths;
  for (const int64_t length : kLengths) {
    if (length < settings.context) lengths.push_back(length);
  }
  if (lengths.empty())
    return invalid_argument(
        "bench cache needs a context of more than 128 positions: give a larger --context");
  const KvStorageKind storage =
      settings.storage == KvStorageKind::kNone ? KvStorageKind::kPaged : settings.storage;
  CAIRN_ASSIGN_OR_RETURN(const auto with, run_marked(opened, settings, storage, lengths, console));
  CAIRN_ASSIGN_OR_RETURN(const auto without,
                         run_marked(opened, settings, KvStorageKind::kNone, lengths, console));
  std::vector<Comparison> rows;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto m = static_cast<uint64_t>(lengths[i]);
    rows.push_back({lengths[i], with[i], without[i], work_with_cache(1, m), work_without_cache(1, m)});
  }
  if (options.common.output_form == OutputForm::kJson) {
    report_json(rows, console);
  } else {
    report_text(rows, options, console);
  }
  if (std::ranges::all_of(rows, &Comparison::agrees)) return {};
  return internal_error(
      "the engine's counts differ from the formulas: this is a bug of the engine, please report it");
}

}  // namespace cairn
