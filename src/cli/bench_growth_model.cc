// What a token costs as depth, sequences and threads grow.
#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "cli/bench_driven.h"
#include "cli/bench_growth.h"
#include "cli/bench_growth_rounds.h"
#include "engine/memory_plan.h"

namespace cairn {
namespace {

constexpr int kRounds = 7;
constexpr int64_t kTokens = 4;   // decoded in turn at a point in a round, whose median counts
constexpr int64_t kBehind = 64;  // positions that measuring adds behind a depth, in whole blocks
constexpr int64_t kFirstDepth = 1024;
constexpr int64_t kSequencesMax = 32;
constexpr int64_t kPrompt = 32;          // tokens of each sequence
constexpr int64_t kPrefillTokens = 256;  // of a prompt, by threads
static_assert(kPrefillTokens + kBehind <= kLeastGrowthContext);

using Values = std::vector<double>;

double ms(double seconds) { return seconds * 1e3; }

// 0, 1024, 2048 ... and, where that is well behind the last one, the deepest that the context has room for.
std::vector<int64_t> depths_within(int64_t context) {
  const int64_t deepest = (context - kBehind) / kBlockSize * kBlockSize;
  std::vector<int64_t> depths{0};
  for (int64_t depth = kFirstDepth; depth <= deepest; depth *= 2) depths.push_back(depth);
  if (deepest >= depths.back() + depths.back() / 2) depths.push_back(deepest);
  return depths;
}

// 1, 2, 4 ... and the most.
std::vector<int64_t> doublings_to(int64_t most) {
  std::vector<int64_t> counts;
  for (int64_t count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

// For sequences that keep their rows apart, of so many positions together.
Result<EngineOptions> settings_for(const OpenModel& opened, int64_t context, int64_t sequences,
                                   int64_t positions) {
  EngineOptions settings = opened.engine_options;
  settings.storage = KvStorageKind::kPaged;
  settings.sharing = PrefixSharing::kOff;
  settings.context = context;
  settings.max_sequences = sequences;
  CAIRN_ASSIGN_OR_RETURN(const KvShape shape, kv_shape_of(opened.model->config(), settings.kv_plan, context));
  CAIRN_ASSIGN_OR_RETURN(settings.pool_bytes, pool_bytes_of(Engine::cache_options(shape, settings),
                                                            KvGeometry::blocks_for(positions)));
  return settings;
}

Status fill(std::vector<Driven>& driven, const std::vector<int64_t>& depths, int64_t chunk,
            LongRun& progress) {
  const auto total = static_cast<uint64_t>(std::accumulate(depths.begin(), depths.end(), int64_t{0}));
  uint64_t done = 0;
  for (size_t i = 0; i < depths.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(driven[i].begin(1));
    while (driven[i].length() <= depths[i] && !progress.is_stopped()) {
      const int64_t count = std::min(chunk, depths[i] + 1 - driven[i].length());
      CAIRN_RETURN_IF_ERROR(driven[i].go_on(count).status());
      progress.update(done += static_cast<uint64_t>(count), total);
    }
  }
  return {};
}

// Milliseconds of a decoded token; afterwards the request is as long as before.
Result<double> token_ms(Driven& driven) {
  const int64_t length = driven.length();
  Values times;
  for (int64_t token = 0; token < kTokens; ++token) {
    CAIRN_ASSIGN_OR_RETURN(const double seconds, driven.go_on(1));
    times.push_back(ms(seconds));
  }
  CAIRN_RETURN_IF_ERROR(driven.go_back(length));
  return median(std::move(times));
}

// Milliseconds of a decoded token, and of a token of a prompt; afterwards the request is as long as before.
Result<Values> decode_and_prefill_ms(Driven& driven) {
  const int64_t length = driven.length();
  CAIRN_ASSIGN_OR_RETURN(const double token, token_ms(driven));
  CAIRN_ASSIGN_OR_RETURN(const double prefill, driven.go_on(kPrefillTokens));
  CAIRN_RETURN_IF_ERROR(driven.go_back(length));
  return Values{token, ms(prefill) / static_cast<double>(kPrefillTokens)};
}

// Milliseconds of a step in which all of them decode.
Result<double> step_ms(Engine& engine, std::span<Driven> together) {
  Values times;
  for (int64_t token = 0; token < kTokens; ++token) {
    for (Driven& driven : together) CAIRN_RETURN_IF_ERROR(driven.add(1));
    times.push_back(ms(run_until_waiting(engine)));
  }
  for (Driven& driven : together) {
    CAIRN_RETURN_IF_ERROR(driven.check());
    CAIRN_RETURN_IF_ERROR(driven.take_back(kPrompt));
  }
  run_until_waiting(engine);
  return median(std::move(times));
}

// An engine on threads of its own.
struct OnThreads {
  std::unique_ptr<ThreadPool> threads;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Driven> driven;
};

Result<OnThreads> on_threads(const OpenModel& opened, int64_t count) {
  OnThreads on{.threads = std::make_unique<ThreadPool>(static_cast<int>(count))};
  constexpr int64_t kContext = kPrefillTokens + kBehind;
  CAIRN_ASSIGN_OR_RETURN(const EngineOptions settings, settings_for(opened, kContext, 1, kContext));
  CAIRN_ASSIGN_OR_RETURN(on.engine, Engine::create(opened.model, *on.threads, settings));
  on.driven = std::make_unique<Driven>(*on.engine, opened.model->config().vocab_size);
  CAIRN_RETURN_IF_ERROR(on.driven->begin(1));
  return on;
}

}  // namespace

Result<PlotPanel> growth_by_depth(const OpenModel& opened, const BenchRun& run) {
  const std::vector<int64_t> depths = depths_within(opened.engine_options.context);
  const auto count = std::ssize(depths);
  const int64_t positions = std::accumulate(depths.begin(), depths.end(), count * kBehind);
  CAIRN_ASSIGN_OR_RETURN(const EngineOptions settings,
                         settings_for(opened, depths.back() + kBehind, count, positions));
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, settings));
  std::vector<Driven> driven(depths.size(), Driven(*engine, opened.model->config().vocab_size));
  {
    LongRun progress(run.console, run.interrupt, "filling depths");
    CAIRN_RETURN_IF_ERROR(fill(driven, depths, settings.prefill_chunk, progress));
  }
  LongRun progress(run.console, run.interrupt, "measuring depths");
  GrowthRounds rounds({"a token"}, depths);
  CAIRN_RETURN_IF_ERROR(rounds.run(kRounds, progress, [&](size_t point) -> Result<Values> {
    CAIRN_ASSIGN_OR_RETURN(const double token, token_ms(driven[point]));
    return Values{token};
  }));
  return PlotPanel{.title = "A token, by the positions before it",
                   .x_label = "depth (positions)",
                   .y_label = "ms",
                   .series = rounds.series()};
}

Result<PlotPanel> growth_by_sequences(const OpenModel& opened, const BenchRun& run) {
  const std::vector<int64_t> counts = doublings_to(kSequencesMax);
  constexpr int64_t kContext = kPrompt + kBehind;
  CAIRN_ASSIGN_OR_RETURN(const EngineOptions settings,
                         settings_for(opened, kContext, kSequencesMax, kSequencesMax * kContext));
  CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened.model, *opened.threads, settings));
  LongRun progress(run.console, run.interrupt, "measuring sequences");
  std::vector<Driven> driven(kSequencesMax, Driven(*engine, opened.model->config().vocab_size));
  for (Driven& one : driven) CAIRN_RETURN_IF_ERROR(one.begin(kPrompt));
  GrowthRounds rounds({"a step", "a token of it"}, counts);
  CAIRN_RETURN_IF_ERROR(rounds.run(kRounds, progress, [&](size_t point) -> Result<Values> {
    const auto count = static_cast<size_t>(counts[point]);
    CAIRN_ASSIGN_OR_RETURN(const double step, step_ms(*engine, std::span(driven).first(count)));
    return Values{step, step / static_cast<double>(count)};
  }));
  return PlotPanel{.title = "A step in which sequences decode together",
                   .x_label = "sequences",
                   .y_label = "ms",
                   .series = rounds.series()};
}

Result<PlotPanel> growth_by_threads(const OpenModel& opened, const BenchRun& run) {
  const std::vector<int64_t> counts = doublings_to(opened.threads->thread_count());
  LongRun progress(run.console, run.interrupt, "measuring threads");
  std::vector<OnThreads> engines;
  for (const int64_t count : counts) {
    CAIRN_ASSIGN_OR_RETURN(OnThreads on, on_threads(opened, count));
    engines.push_back(std::move(on));
  }
  GrowthRounds rounds({"a token", "a token of a prompt of 256"}, counts);
  CAIRN_RETURN_IF_ERROR(rounds.run(
      kRounds, progress, [&](size_t point) { return decode_and_prefill_ms(*engines[point].driven); }));
  return PlotPanel{
      .title = "A token, by threads", .x_label = "threads", .y_label = "ms", .series = rounds.series()};
}

}  // namespace cairn
