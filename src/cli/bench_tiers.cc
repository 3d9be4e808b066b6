// cairn bench tiers: what a long prefix costs until the first token, by where its blocks are; the disk beside its own limit; and
// what writing behind costs the steps.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/bench_tiers_disk.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "cli/tier_options.h"
#include "engine/engine.h"
#include "engine/memory_plan.h"

namespace cairn {
namespace {

constexpr int64_t kPrefix = 4000;
constexpr int64_t kQuestion = 8;  // behind the prefix
constexpr int64_t kPrefixMin = 64;
constexpr int kRounds = 4;  // medians

// Seconds to the first token, by where the prefix was; absent: no such tier.
struct Round {
  double without_tiers = 0;  // cold, nothing written behind
  double cold = 0;           // with blocks being written behind
  double memory = 0;
  std::optional<double> disk;
  std::optional<double> remote;
};

class TierBench {
 public:
  TierBench(const OpenModel& opened, EngineOptions options, int64_t prefix)
      : opened_(opened), options_(std::move(options)), prefix_(prefix) {}

  Result<Round> measure() {
    ++number_;  // nothing is found of the round before
    Round round;
    const bool begins_without = number_ % 2 == 0;  // the two that are compared, in either order
    if (begins_without) {
      CAIRN_ASSIGN_OR_RETURN(round.without_tiers, in_an_engine({}));
    }
    EngineOptions all = options_;
    all.tiers.load = LoadPolicy::kAlways;
    CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened_.model, *opened_.threads, all));
    CAIRN_ASSIGN_OR_RETURN(round.cold, first_token(*engine));
    CAIRN_RETURN_IF_ERROR(engine->tiers()->flush());
    if (!begins_without) {
      CAIRN_ASSIGN_OR_RETURN(round.without_tiers, in_an_engine({}));
    }
    CAIRN_ASSIGN_OR_RETURN(round.memory, first_token(*engine));
    if (options_.tiers.disk != nullptr) {
      CAIRN_ASSIGN_OR_RETURN(round.disk,
                             in_an_engine({.disk = options_.tiers.disk, .load = LoadPolicy::kAlways}));
    }
    if (options_.tiers.remote != nullptr) {
      CAIRN_ASSIGN_OR_RETURN(round.remote,
                             in_an_engine({.remote = options_.tiers.remote, .load = LoadPolicy::kAlways}));
    }
    return round;
  }

 private:
  // One whose memory is empty.
  Result<double> in_an_engine(const BlockTierOptions& tiers) {
    EngineOptions options = options_;
    options.tiers = tiers;
    CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened_.model, *opened_.threads, options));
    return first_token(*engine);
  }

  Result<double> first_token(Engine& engine) const {
    return seconds_to_first_token(
        engine, {.prompt = varied_tokens(prefix_ + kQuestion, opened_.model->config().vocab_size),
                 .salt = fmt::format("bench {} {}", start_ns_, number_)});
  }

  const OpenModel& opened_;
  EngineOptions options_;
  int64_t prefix_;
  uint64_t start_ns_ = SteadyClock().now_ns();  // so that a salt of this run is no other's
  int64_t number_ = 0;
};

// Of pairs, so that a slow minute of the machine is in both.
double write_behind_ratio(const std::vector<Round>& rounds) {
  std::vector<double> ratios;
  for (const Round& round : rounds) ratios.push_back(round.cold / round.without_tiers);
  return median(std::move(ratios));
}

double median_of(const std::vector<Round>& rounds, double Round::* member) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(round.*member);
  return median(std::move(values));
}

std::optional<double> median_of(const std::vector<Round>& rounds, std::optional<double> Round::* member) {
  std::vector<double> values;
  for (const Round& round : rounds) {
    if (!(round.*member).has_value()) return std::nullopt;
    values.push_back(*(round.*member));
  }
  return median(std::move(values));
}

struct TierRow {
  std::string_view place;
  double seconds = 0;
  double cold_seconds = 0;
  std::optional<double> bar;  // cold is at least so many times as long
};

std::vector<TierRow> rows_of(const std::vector<Round>& rounds) {
  const double cold = median_of(rounds, &Round::without_tiers);
  std::vector<TierRow> rows{{"cold", cold, cold, std::nullopt},
                            {"memory", median_of(rounds, &Round::memory), cold, 60}};
  if (const auto disk = median_of(rounds, &Round::disk)) rows.push_back({"disk", *disk, cold, 15});
  if (const auto remote = median_of(rounds, &Round::remote)) rows.push_back({"remote", *remote, cold, 10});
  return rows;
}

// Memory for the prompt.
Result<EngineOptions> settings_of(const OpenModel& opened) {
  EngineOptions settings = opened.engine_options;
  if (settings.context < kPrefixMin + kBlockSize) {
    return invalid_argument(
        fmt::format("bench tiers needs a context of at least {} positions: give a larger --context",
                    kPrefixMin + kBlockSize));
  }
  if (!settings.tiers.has_any()) {
    return invalid_argument(
        "bench tiers needs a place to keep blocks in: give --kv-disk DIR, --kv-remote URL, or both");
  }
  settings.storage = KvStorageKind::kPaged;
  settings.max_sequences = 1;
  return settings;
}

void print(const std::vector<TierRow>& rows, int64_t prefix, TableForm form, Console& console) {
  RowWriter table(console, form,
                  {{"blocks in"},
                   {fmt::format("TTFT ms of {} tokens", prefix + kQuestion), Align::kRight},
                   {"cold is so many times as long", Align::kRight},
                   {"bar", Align::kRight, 4}});
  for (const TierRow& row : rows) {
    table.add_row({std::string(row.place), fmt::format("{:.1f}", row.seconds * 1e3),
                   fmt::format("{:.1f}", row.cold_seconds / row.seconds),
                   row.bar.has_value() ? fmt::format("{:.0f}", *row.bar) : ""});
  }
}

boost::json::array json_of(const std::vector<TierRow>& rows) {
  boost::json::array list;
  for (const TierRow& row : rows) {
    boost::json::object object{{"blocks_in", row.place},
                               {"ttft_ms", row.seconds * 1e3},
                               {"cold_ratio", row.cold_seconds / row.seconds}};
    if (row.bar.has_value()) object["cold_ratio_bar"] = *row.bar;
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace

Status bench_tiers(const BenchOptions& options, const BenchRun& run) {
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, run.console));
  CAIRN_ASSIGN_OR_RETURN(const EngineOptions settings, settings_of(opened));
  const int64_t prefix =
      std::min(kPrefix, settings.context - kQuestion - kBlockSize) / kBlockSize * kBlockSize;
  TierBench bench(opened, settings, prefix);
  std::vector<Round> rounds;
  {
    LongRun progress(run.console, run.interrupt, "tiers");
    for (int round = 0; round < kRounds && (round == 0 || !progress.is_stopped()); ++round) {
      CAIRN_ASSIGN_OR_RETURN(const Round measured, bench.measure());
      rounds.push_back(measured);
      progress.update(static_cast<uint64_t>(round) + 1, kRounds);
    }
  }
  const std::vector<TierRow> rows = rows_of(rounds);
  const double behind = write_behind_ratio(rounds);
  std::optional<DiskSpeed> disk;
  if (settings.tiers.disk != nullptr && !run.interrupt.is_raised()) {
    CAIRN_ASSIGN_OR_RETURN(disk, measure_disk(*settings.tiers.disk, *options.common.tiers.disk));
  }
  if (options.common.output_form == OutputForm::kJson) {
    boost::json::object object{
        {"tiers", json_of(rows)}, {"write_behind_ratio", behind}, {"write_behind_bar", 1.05}};
    if (disk.has_value()) object["disk"] = disk_json(*disk);
    run.console.write(json_line(object));
    return {};
  }
  print(rows, prefix, options.table_form, run.console);
  run.console.write(fmt::format(
      "\ncold, with blocks being written behind: {:.3f} times as long as without (bar 1.05)\n", behind));
  if (disk.has_value()) run.console.write(disk_text(*disk));
  return {};
}

}  // namespace cairn
