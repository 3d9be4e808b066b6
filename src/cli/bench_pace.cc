// cairn bench pace: what a long prompt costs those who read meanwhile, and what they cost it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "engine/engine.h"
#include "engine/memory_plan.h"

namespace cairn {
namespace {

constexpr int64_t kStreams = 4;
constexpr int64_t kPrompt = 4000;
constexpr int64_t kPromptMin = 64;
constexpr int64_t kStreamPrompt = 32;
constexpr int64_t kWarmUpTokens = 4;
constexpr int64_t kQuietTokens = 32;     // of each stream
constexpr int64_t kStreamTokens = 2048;  // at most, while the prompt runs
constexpr int64_t kSpareBlocks = 8;
constexpr int kRounds = 3;  // medians
constexpr double kTpotBar = 3.0;
constexpr double kTtftBar = 1.5;

// Of one round, and of all: the medians.
struct PaceCost {
  double quiet_seconds = 0;   // from a stream's token to its next
  double beside_seconds = 0;  // likewise, while the prompt runs
  double alone_seconds = 0;   // to the first token of the prompt
  double shared_seconds = 0;  // likewise, beside the streams

  [[nodiscard]] double times_slower() const { return beside_seconds / quiet_seconds; }
  [[nodiscard]] double times_later() const { return shared_seconds / alone_seconds; }
};

struct PaceRow {
  std::optional<int64_t> pace;
  PaceCost cost;
};

class PaceBench {
 public:
  PaceBench(Engine& engine, int64_t vocab_size, int64_t prompt)
      : engine_(engine), vocab_size_(vocab_size), prompt_(prompt) {}

  Result<PaceCost> measure() {
    PaceCost cost;
    CAIRN_ASSIGN_OR_RETURN(cost.alone_seconds, first_token());
    std::vector<RequestId> streams;
    for (int64_t i = 0; i < kStreams; ++i) {
      Request request = request_of(kStreamPrompt);
      request.ignore_end_tokens = true;
      request.on_token = [this](TokenId) { ++token_count_; };
      CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine_.submit(std::move(request)));
      streams.push_back(id);
    }
    decode(kWarmUpTokens);
    cost.quiet_seconds = decode(kQuietTokens);
    token_count_ = 0;
    CAIRN_ASSIGN_OR_RETURN(cost.shared_seconds, first_token());
    cost.beside_seconds = cost.shared_seconds * kStreams / static_cast<double>(token_count_);
    for (const RequestId id : streams) engine_.cancel(id);
    return cost;
  }

 private:
  // Every one under a salt of its own: nothing is found in the cache.
  Request request_of(int64_t token_count) {
    Request request{.prompt = varied_tokens(token_count, vocab_size_, 77 * number_)};
    request.salt = std::to_string(number_++);
    return request;
  }

  // Until every stream has so many tokens more; the mean seconds of one.
  double decode(int64_t count) {
    token_count_ = 0;
    const uint64_t begin_ns = clock_.now_ns();
    while (token_count_ < count * kStreams) engine_.step();
    const double seconds = static_cast<double>(clock_.now_ns() - begin_ns) * 1e-9;
    return seconds * kStreams / static_cast<double>(token_count_);
  }

  // Of the long prompt.
  Result<double> first_token() { return seconds_to_first_token(engine_, request_of(prompt_)); }

  Engine& engine_;
  int64_t vocab_size_;
  int64_t prompt_;
  SteadyClock clock_;
  int64_t number_ = 0;
  int64_t token_count_ = 0;
};

PaceCost medians(const std::vector<PaceCost>& rounds) {
  const auto of = [&](double PaceCost::* member) {
    std::vector<double> values;
    for (const PaceCost& round : rounds) values.push_back(round.*member);
    return median(std::move(values));
  };
  return {.quiet_seconds = of(&PaceCost::quiet_seconds),
          .beside_seconds = of(&PaceCost::beside_seconds),
          .alone_seconds = of(&PaceCost::alone_seconds),
          .shared_seconds = of(&PaceCost::shared_seconds)};
}

Result<PaceCost> measure(const OpenModel& opened, const EngineOptions& options, int64_t prompt,
                         const BenchRun& run) {
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, options));
  const char* const label = options.pace.has_value() ? "a long prompt at a pace" : "a long prompt";
  LongRun progress(run.console, run.interrupt, label);
  PaceBench bench(*engine, opened.model->config().vocab_size, prompt);
  std::vector<PaceCost> rounds;
  for (int round = 0; round < kRounds && (round == 0 || !progress.is_stopped()); ++round) {
    CAIRN_ASSIGN_OR_RETURN(const PaceCost cost, bench.measure());
    rounds.push_back(cost);
    progress.update(static_cast<uint64_t>(round) + 1, kRounds);
  }
  return medians(rounds);
}

// Memory for the prompt and the streams.
Result<EngineOptions> settings_of(const OpenModel& opened) {
  EngineOptions settings = opened.engine_options;
  if (settings.context < kPromptMin + kBlockSize) {
    return invalid_argument(
        fmt::format("bench pace needs a context of at least {} positions: give a larger --context",
                    kPromptMin + kBlockSize));
  }
  settings.storage = KvStorageKind::kPaged;
  settings.max_sequences = kStreams + 1;
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape,
                         kv_shape_of(opened.model->config(), settings.kv_plan, settings.context));
  const int64_t stream = std::min(settings.context, kStreamPrompt + kStreamTokens);
  const int64_t blocks = KvGeometry::blocks_for(std::min(settings.context, kPrompt + kBlockSize)) +
                         kStreams * KvGeometry::blocks_for(stream) + kSpareBlocks;
  CAIRN_ASSIGN_OR_RETURN(settings.pool_bytes, pool_bytes_of(Engine::cache_options(shape, settings), blocks));
  return settings;
}

std::string pace_text(const std::optional<int64_t>& pace) {
  return pace.has_value() ? fmt::format("{} %", *pace) : "none";
}

void add_row(const PaceRow& row, RowWriter& table) {
  const PaceCost& cost = row.cost;
  table.add_row({pace_text(row.pace), fmt::format("{:.1f}", cost.quiet_seconds * 1e3),
                 fmt::format("{:.1f}", cost.beside_seconds * 1e3), fmt::format("{:.2f}", cost.times_slower()),
                 fmt::format("{:.1f}", kTpotBar), fmt::format("{:.2f}", cost.alone_seconds),
                 fmt::format("{:.2f}", cost.shared_seconds), fmt::format("{:.2f}", cost.times_later()),
                 fmt::format("{:.1f}", kTtftBar)});
}

boost::json::object json_of(const PaceRow& row, int64_t prompt) {
  boost::json::object object{{"streams", kStreams},
                             {"prompt_tokens", prompt},
                             {"quiet_tpot_ms", row.cost.quiet_seconds * 1e3},
                             {"tpot_ms", row.cost.beside_seconds * 1e3},
                             {"tpot_ratio", row.cost.times_slower()},
                             {"tpot_ratio_bar", kTpotBar},
                             {"ttft_alone_ms", row.cost.alone_seconds * 1e3},
                             {"ttft_ms", row.cost.shared_seconds * 1e3},
                             {"ttft_ratio", row.cost.times_later()},
                             {"ttft_ratio_bar", kTtftBar}};
  if (row.pace.has_value()) object["pace_percent"] = *row.pace;
  return object;
}

}  // namespace

Status bench_pace(const BenchOptions& options, const BenchRun& run) {
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, run.console));
  CAIRN_ASSIGN_OR_RETURN(EngineOptions settings, settings_of(opened));
  const int64_t prompt = std::min(kPrompt, settings.context - kBlockSize);
  const bool is_json = options.common.output_form == OutputForm::kJson;
  RowWriter table(run.console, options.table_form,
                  {{"pace"},
                   {"quiet TPOT ms", Align::kRight},
                   {"beside the prompt", Align::kRight},
                   {"times", Align::kRight, 6},
                   {"bar", Align::kRight, 4},
                   {fmt::format("TTFT s of {} tokens alone", prompt), Align::kRight},
                   {"beside the streams", Align::kRight},
                   {"times", Align::kRight, 6},
                   {"bar", Align::kRight, 4}});
  boost::json::array list;
  for (const std::optional<int64_t>& pace : {std::optional<int64_t>(), std::optional(options.pace)}) {
    if (run.interrupt.is_raised()) break;
    settings.pace = pace;
    CAIRN_ASSIGN_OR_RETURN(const PaceCost cost, measure(opened, settings, prompt, run));
    if (is_json) {
      list.push_back(json_of({pace, cost}, prompt));
    } else {
      add_row({pace, cost}, table);
    }
  }
  if (is_json) run.console.write(json_line({{"pace", std::move(list)}}));
  return {};
}

}  // namespace cairn
