// cairn bench cache: generating with and without the cache, and the counts beside their formulas.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "engine/layer_visibility.h"

namespace cairn {
namespace {

constexpr int64_t kUsualLengths[] = {128, 512, 2048};

// What one run had done when it had generated kLengths[i] tokens.
struct Mark {
  double seconds = 0;
  CacheWork work;
  bool layers_agree = true;  // every layer that sees most computed the same number of scores
};

// Scores of the layers that see most.
CacheWork counted(const RequestStats& stats, const std::vector<Visibility>& layers, int64_t context,
                  bool* layers_agree) {
  CacheWork work{stats.projected_positions, 0};
  const int64_t most = largest_reach(layers, context);
  for (size_t layer = 0; layer < stats.scores_by_layer.size(); ++layer) {
    if (layers[layer].reach(context) < most) continue;
    if (work.scores != 0 && stats.scores_by_layer[layer] != work.scores) *layers_agree = false;
    work.scores = stats.scores_by_layer[layer];
  }
  return work;
}

// One text to the longest length serves all: it stops at each length on the way.
class MarkedRun {
 public:
  MarkedRun(const OpenModel& opened, KvStorageKind storage, int64_t longest)
      : opened_(opened), settings_(opened.engine_options) {
    settings_.storage = storage;
    settings_.context = longest;  // the last token is never run
  }

  Status begin() {
    CAIRN_ASSIGN_OR_RETURN(layers_,
                           layer_visibility(opened_.model->config(), settings_.kv_plan, settings_.context));
    CAIRN_ASSIGN_OR_RETURN(engine_, Engine::create(opened_.model, *opened_.threads, settings_));
    CAIRN_ASSIGN_OR_RETURN(id_, engine_->submit(greedy_request()));
    return {};
  }

  // Goes on until so many tokens are there; no mark where keeps_going(), asked after each token, ended it before.
  Result<std::optional<Mark>> go_on(int64_t length, const std::function<bool()>& keeps_going) {
    const SteadyClock clock;
    const uint64_t begin_ns = clock.now_ns();
    next_length_ = length;
    mark_.reset();
    while (!mark_.has_value() && !engine_->idle()) {
      engine_->step();
      if (!keeps_going()) return std::optional<Mark>{};
    }
    CAIRN_RETURN_IF_ERROR(status_);
    seconds_ += static_cast<double>(clock.now_ns() - begin_ns) * 1e-9;
    CHECK(mark_.has_value());
    mark_->seconds = seconds_;
    return mark_;
  }

  // How many positions a query sees at most.
  [[nodiscard]] uint64_t reach() const {
    return static_cast<uint64_t>(largest_reach(layers_, settings_.context));
  }
  // About: positions that are run until so many tokens are there.
  [[nodiscard]] uint64_t work_until(int64_t generated) const {
    const auto m = static_cast<uint64_t>(generated);
    return settings_.storage == KvStorageKind::kNone ? work_without_cache(1, m, m).positions : m;
  }
  [[nodiscard]] uint64_t work_done() const { return generated_ == 0 ? 0 : work_until(generated_); }

 private:
  Request greedy_request() {
    Request request;
    request.prompt = {opened_.model->tokenizer().bos().value_or(0)};
    request.max_tokens = settings_.context;
    request.ignore_end_tokens = true;
    request.sampling.temperature = 0;
    request.on_token = [this](TokenId) {
      if (++generated_ != next_length_) return;
      mark_.emplace();
      mark_->work = counted(*engine_->stats(id_), layers_, settings_.context, &mark_->layers_agree);
    };
    request.on_finish = [this](const RequestResult& result) { status_ = result.status; };
    return request;
  }

  const OpenModel& opened_;
  EngineOptions settings_;
  std::vector<Visibility> layers_;
  std::unique_ptr<Engine> engine_;
  RequestId id_;
  Status status_;
  int64_t generated_ = 0;
  int64_t next_length_ = 0;
  std::optional<Mark> mark_;  // of next_length_
  double seconds_ = 0;
};

bool same(const CacheWork& a, const CacheWork& b) {
  return a.positions == b.positions && a.scores == b.scores;
}

struct Comparison {
  int64_t length = 0;
  Mark with, without;
  CacheWork with_formula, without_formula;
  uint64_t whole_square = 0;

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

class CacheTable {
 public:
  CacheTable(Console& console, TableForm form)
      : writer_(console, form,
                {{"n", Align::kRight, 6},
                 {"cache", Align::kLeft, 7},
                 {"time", Align::kRight, 9},
                 {"times faster", Align::kRight},
                 {"positions projected", Align::kRight, 20},
                 {"scores a layer and head", Align::kRight, 24},
                 {"of the whole square", Align::kRight, 20}}) {}

  void add(const Comparison& row) {
    writer_.add_row({std::to_string(row.length), "without", human_ns(row.without.seconds * 1e9), "",
                     beside(row.without.work.positions, row.without_formula.positions),
                     beside(row.without.work.scores, row.without_formula.scores), grouped(row.whole_square)});
    writer_.add_row({"", "with", human_ns(row.with.seconds * 1e9), fmt::format("{:.1f}", row.speed_up()),
                     beside(row.with.work.positions, row.with_formula.positions),
                     beside(row.with.work.scores, row.with_formula.scores), ""});
  }

 private:
  RowWriter writer_;
};

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
                                       {"whole_square_scores", row.whole_square},
                                       {"formulas_agree", row.agrees()}});
  }
  console.write(json_line({{"lengths", std::move(list)}}));
}

// Those that were asked for, else the usual ones that the model's context allows.
Result<std::vector<int64_t>> chosen_lengths(const BenchOptions& options, const EngineOptions& settings) {
  std::vector<int64_t> lengths = options.lengths;
  std::ranges::sort(lengths);
  lengths.erase(std::ranges::unique(lengths).begin(), lengths.end());
  if (!lengths.empty()) return lengths;
  for (const int64_t length : kUsualLengths) {
    if (length <= settings.context) lengths.push_back(length);
  }
  if (!lengths.empty()) return lengths;
  return invalid_argument(
      "bench cache needs a context of at least 128 positions: give a larger --context, or shorter --lengths");
}

// Calls on_row for each length, in order, as soon as both runs have come so far. Without the cache first: that is what
// takes long, and so what its duration is told by.
Status compare(const OpenModel& opened, const std::vector<int64_t>& lengths, const BenchRun& run,
               const std::function<void(const Comparison&)>& on_row) {
  MarkedRun without(opened, KvStorageKind::kNone, lengths.back());
  MarkedRun with(opened, KvStorageKind::kPaged, lengths.back());
  CAIRN_RETURN_IF_ERROR(without.begin());
  CAIRN_RETURN_IF_ERROR(with.begin());
  LongRun progress(run.console, run.interrupt, "generating without and with the cache");
  const uint64_t total = without.work_until(lengths.back()) + with.work_until(lengths.back());
  const auto keeps_going = [&] {
    progress.update(without.work_done() + with.work_done(), total);
    return !progress.is_stopped();
  };
  for (const int64_t length : lengths) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<Mark> without_mark, without.go_on(length, keeps_going));
    if (!without_mark.has_value()) break;
    CAIRN_ASSIGN_OR_RETURN(const std::optional<Mark> with_mark, with.go_on(length, keeps_going));
    if (!with_mark.has_value()) break;
    const auto m = static_cast<uint64_t>(length);
    on_row({length, *with_mark, *without_mark, work_with_cache(1, m, with.reach()),
            work_without_cache(1, m, without.reach()), whole_square_scores(1, m)});
  }
  return {};
}

// Scores of so many positions in a row, each of which sees all before it and itself, `reach` at most.
uint64_t triangle(uint64_t positions, uint64_t reach) {
  const uint64_t rising = std::min(positions, reach);
  return rising * (rising + 1) / 2 + (positions - rising) * reach;
}

}  // namespace

CacheWork work_without_cache(uint64_t prompt, uint64_t generated, uint64_t reach) {
  CacheWork work{generated * prompt + generated * (generated - 1) / 2, 0};
  for (uint64_t t = prompt; t < prompt + generated; ++t) work.scores += triangle(t, reach);
  return work;
}

CacheWork work_with_cache(uint64_t prompt, uint64_t generated, uint64_t reach) {
  const uint64_t positions = prompt + generated - 1;
  return {positions, triangle(positions, reach)};
}

uint64_t whole_square_scores(uint64_t prompt, uint64_t generated) {
  uint64_t scores = 0;
  for (uint64_t t = prompt; t < prompt + generated; ++t) scores += t * t;
  return scores;
}

Status bench_cache(const BenchOptions& options, const BenchRun& run) {
  CommonOptions common = options.common;
  if (!options.lengths.empty()) common.context = std::ranges::max(options.lengths);
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(common, run.console));
  CAIRN_ASSIGN_OR_RETURN(const auto lengths, chosen_lengths(options, opened.engine_options));
  const bool is_json = options.common.output_form == OutputForm::kJson;
  CacheTable table(run.console, options.table_form);
  std::vector<Comparison> rows;
  CAIRN_RETURN_IF_ERROR(compare(opened, lengths, run, [&](const Comparison& row) {
    rows.push_back(row);
    if (!is_json) table.add(row);
  }));
  if (is_json) report_json(rows, run.console);
  if (std::ranges::all_of(rows, &Comparison::agrees)) return {};
  return internal_error(
      "the engine's counts differ from the formulas: this is a bug of the engine, please report it");
}

}  // namespace cairn
