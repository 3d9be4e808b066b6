// cairn bench depth: decode and prefill behind many positions, by KV plan.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "cli/bench.h"
#include "cli/bench_driven.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "engine/layer_visibility.h"
#include "kv/kv_plan_lists.h"
#include "model/attention_shape.h"

namespace cairn {
namespace {

constexpr int64_t kDepths[] = {0, 512, 2048, 8192, 16384};
constexpr int64_t kPrefillTokens = 512;
constexpr int kRounds = 5;         // of probe, shallow tokens, deep tokens, peak, prefill: medians of them
constexpr int kPrefillRounds = 3;  // a prefill at such a depth takes seconds: fewer of them do
constexpr int kTokens = 4;         // of a round, shallow and deep in turn
constexpr int64_t kSlack = 64;     // positions that measuring adds behind the deepest

// What one plan costs at one depth.
struct DepthCost {
  std::string plan;
  int64_t depth = 0;
  uint64_t kv_bytes = 0;       // that a token reads
  double shallow_seconds = 0;  // of a token at depth 0, measured in turn with
  double deep_seconds = 0;     // ... a token at this depth
  double bandwidth = 0;        // bytes/s
  double prefill_seconds = 0;  // of kPrefillTokens behind this depth
  double prefill_operations = 0;
  double peak = 0;  // operations/s

  [[nodiscard]] double depth_seconds() const { return std::max(deep_seconds - shallow_seconds, 1e-12); }
  [[nodiscard]] double bytes_per_second() const { return static_cast<double>(kv_bytes) / depth_seconds(); }
  // How many times longer than reading those bytes takes.
  [[nodiscard]] double times_the_bytes() const {
    return depth_seconds() * bandwidth / static_cast<double>(kv_bytes);
  }
  [[nodiscard]] double prefill_share() const { return prefill_operations / prefill_seconds / peak; }
};

// Multiply-adds times two: the matrices of kPrefillTokens rows, the output of one, and each row's scores and
// weighted sums over what it sees.
double prefill_operations(const Model& model, const std::vector<Visibility>& layers, int64_t depth) {
  const Config& config = model.config();
  double scores = 0;
  for (const Visibility& layer : layers) {
    for (int64_t i = 0; i < kPrefillTokens; ++i) scores += static_cast<double>(layer.reach(depth + i + 1));
  }
  return 2.0 * (static_cast<double>(model.layer_products_per_row()) * kPrefillTokens +
                static_cast<double>(model.output_products_per_row())) +
         4.0 * scores * static_cast<double>(config.head_count * config.head_dim);
}

// What one token reads of the cache at this depth.
uint64_t kv_bytes_at(const Engine& engine, const std::vector<Visibility>& layers, int64_t depth) {
  const KvLayout layout = engine.cache().geometry().layout();
  uint64_t bytes = 0;
  for (size_t l = 0; l < layout.layers.size(); ++l) {
    const int64_t seen = layers[l].reach(depth);
    bytes += static_cast<uint64_t>(layout.layers[l].head_bytes() * layout.kv_head_count * seen / kBlockSize);
  }
  return bytes;
}

Result<DepthCost> measure(Driven& shallow, Driven& deep, const OpenModel& opened, const Engine& engine,
                          const Ceilings& ceilings) {
  const int64_t depth = deep.length() - 1;
  CAIRN_ASSIGN_OR_RETURN(
      const auto layers,
      layer_visibility(opened.model->config(), engine.cache().geometry().plan(), engine.context()));
  DepthCost cost{.plan = engine.cache().geometry().plan().text(),
                 .depth = depth,
                 .kv_bytes = kv_bytes_at(engine, layers, depth),
                 .prefill_operations = prefill_operations(*opened.model, layers, depth)};
  std::vector<double> bandwidths, shallow_times, deep_times, peaks, prefill_times;
  for (int round = 0; round < kRounds; ++round) {
    bandwidths.push_back(ceilings.read_bandwidth());
    for (int token = 0; token < kTokens; ++token) {
      CAIRN_ASSIGN_OR_RETURN(const double shallow_time, shallow.go_on(1));
      CAIRN_ASSIGN_OR_RETURN(const double deep_time, deep.go_on(1));
      shallow_times.push_back(shallow_time);
      deep_times.push_back(deep_time);
    }
    CAIRN_RETURN_IF_ERROR(shallow.go_back(1));
    CAIRN_RETURN_IF_ERROR(deep.go_back(depth + 1));
  }
  for (int round = 0; round < kPrefillRounds; ++round) {
    peaks.push_back(ceilings.matrix_peak());
    CAIRN_ASSIGN_OR_RETURN(const double time, deep.go_on(kPrefillTokens));
    prefill_times.push_back(time);
    CAIRN_RETURN_IF_ERROR(deep.go_back(depth + 1));
  }
  cost.bandwidth = median(bandwidths);
  cost.shallow_seconds = median(shallow_times);
  cost.deep_seconds = median(deep_times);
  cost.peak = median(peaks);
  cost.prefill_seconds = median(prefill_times);
  return cost;
}

// Positions of context that measuring at this depth takes.
int64_t context_for(int64_t depth) { return depth + kPrefillTokens + kSlack; }

// Those that were asked for, ascending; else the usual ones that fit into a context of so many positions.
std::vector<int64_t> chosen_depths(const BenchOptions& options, int64_t context) {
  std::vector<int64_t> depths = options.depths;
  std::ranges::sort(depths);
  depths.erase(std::ranges::unique(depths).begin(), depths.end());
  if (!depths.empty()) return depths;
  std::ranges::copy_if(kDepths, std::back_inserter(depths),
                       [&](int64_t depth) { return context_for(depth) <= context; });
  return depths;
}

// All plans at all depths. Each plan's cost is told by the operations of its prefills, which take most of the time.
class DepthBench {
 public:
  DepthBench(const OpenModel& opened, EngineOptions settings, std::vector<int64_t> depths,
             const Ceilings& ceilings, const BenchRun& run)
      : opened_(opened),
        settings_(std::move(settings)),
        ceilings_(ceilings),
        own_windows_(own_windows(opened.model->config())),
        depths_(std::move(depths)),
        progress_(run.console, run.interrupt, "measuring depths") {
    settings_.sharing = PrefixSharing::kOff;
    settings_.max_sequences = 2;
    for (const int64_t depth : depths_) plan_work_ += work_at(depth);
  }

  // Until a stop; on_cost is called after each depth.
  Status run(const std::vector<KvPlan>& plans, const std::function<void(const DepthCost&)>& on_cost) {
    for (size_t i = 0; i < plans.size() && !progress_.is_stopped(); ++i) {
      done_ = static_cast<uint64_t>(i) * plan_work_;
      total_ = static_cast<uint64_t>(plans.size()) * plan_work_;
      CAIRN_RETURN_IF_ERROR(measure_plan(plans[i], on_cost));
    }
    return {};
  }

 private:
  // In millions of operations: from the depth before to this one, and measuring here.
  [[nodiscard]] uint64_t work_at(int64_t depth) const {
    const auto before = std::ranges::lower_bound(depths_, depth);
    const int64_t from = before == depths_.begin() ? 0 : *(before - 1);
    const double rows = static_cast<double>(depth - from) / kPrefillTokens + kPrefillRounds;
    return static_cast<uint64_t>(rows * prefill_operations(*opened_.model, own_windows_, depth) * 1e-6);
  }

  Status measure_plan(const KvPlan& plan, const std::function<void(const DepthCost&)>& on_cost) {
    settings_.kv_plan = plan;
    CAIRN_ASSIGN_OR_RETURN(const auto engine, Engine::create(opened_.model, *opened_.threads, settings_));
    const int64_t vocab_size = opened_.model->config().vocab_size;
    Driven shallow(*engine, vocab_size);
    Driven deep(*engine, vocab_size);
    CAIRN_RETURN_IF_ERROR(shallow.begin(1));
    CAIRN_RETURN_IF_ERROR(deep.begin(1));
    for (const int64_t depth : depths_) {
      while (deep.length() <= depth && !progress_.is_stopped()) {
        const int64_t count = std::min(settings_.prefill_chunk, depth + 1 - deep.length());
        CAIRN_RETURN_IF_ERROR(deep.go_on(count).status());
      }
      if (progress_.is_stopped()) break;
      CAIRN_ASSIGN_OR_RETURN(const DepthCost cost, measure(shallow, deep, opened_, *engine, ceilings_));
      on_cost(cost);
      done_ += work_at(depth);
      progress_.update(done_, total_);
    }
    shallow.end();
    deep.end();
    return {};
  }

  const OpenModel& opened_;
  EngineOptions settings_;
  const Ceilings& ceilings_;
  std::vector<Visibility> own_windows_;  // what the model's layers see, whatever the plan
  std::vector<int64_t> depths_;
  LongRun progress_;
  uint64_t plan_work_ = 0;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

std::string share(double part) { return fmt::format("{:.0f} %", part * 100); }

class DepthTable {
 public:
  DepthTable(const BenchOptions& options, Isa isa, Console& console)
      : writer_(console, options.table_form,
                {{"kv", Align::kLeft, 6},
                 {"depth", Align::kRight},
                 {"token ms", Align::kRight},
                 {"for depth ms", Align::kRight},
                 {"KV MB read", Align::kRight},
                 {"GB/s", Align::kRight, 6},
                 {"of bandwidth", Align::kRight},
                 {"x the bytes", Align::kRight},
                 {"prefill tokens/s", Align::kRight},
                 {"TFLOP/s", Align::kRight},
                 {fmt::format("of {} peak", isa_name(isa)), Align::kRight}}) {}

  void add(const DepthCost& cost) {
    const bool deep = cost.depth > 0;
    writer_.add_row({cost.plan, std::to_string(cost.depth), fmt::format("{:.2f}", cost.deep_seconds * 1e3),
                     deep ? fmt::format("{:.2f}", cost.depth_seconds() * 1e3) : "",
                     deep ? fmt::format("{:.1f}", static_cast<double>(cost.kv_bytes) * 1e-6) : "",
                     deep ? fmt::format("{:.1f}", cost.bytes_per_second() * 1e-9) : "",
                     deep ? share(cost.bytes_per_second() / cost.bandwidth) : "",
                     deep ? fmt::format("{:.2f}", cost.times_the_bytes()) : "",
                     fmt::format("{:.1f}", kPrefillTokens / cost.prefill_seconds),
                     fmt::format("{:.3f}", cost.prefill_operations / cost.prefill_seconds * 1e-12),
                     share(cost.prefill_share())});
  }

 private:
  RowWriter writer_;
};

void report_json(const std::vector<DepthCost>& costs, const OpenModel& opened, Console& console) {
  boost::json::array list;
  for (const DepthCost& cost : costs) {
    boost::json::object row{{"kv", cost.plan},
                            {"depth", cost.depth},
                            {"kv_bytes", cost.kv_bytes},
                            {"token_ms", cost.deep_seconds * 1e3},
                            {"shallow_token_ms", cost.shallow_seconds * 1e3},
                            {"read_bytes_per_s", cost.bandwidth},
                            {"prefill_ms", cost.prefill_seconds * 1e3},
                            {"prefill_flop", cost.prefill_operations},
                            {"peak_flop_per_s", cost.peak},
                            {"prefill_share", cost.prefill_share()}};
    if (cost.depth > 0) row["times_the_bytes"] = cost.times_the_bytes();
    list.push_back(std::move(row));
  }
  console.write(json_line({{"isa", isa_name(opened.kernels->isa)},
                           {"threads", opened.threads->thread_count()},
                           {"depths", std::move(list)}}));
}

std::vector<KvPlan> chosen_plans(const BenchOptions& options, const Config& config) {
  if (options.common.kv_plan.has_value()) return {*options.common.kv_plan};
  if (options.every_codec) return every_codec(config);
  std::vector<KvPlan> plans = kv_plans_of_common_formats();
  std::erase(plans, KvPlan(KvFormat::kF32));  // nobody would choose it for speed
  return plans;
}

}  // namespace

Status bench_depth(const BenchOptions& options, const BenchRun& run) {
  CommonOptions common = options.common;
  const int64_t deepest = options.depths.empty() ? 0 : std::ranges::max(options.depths);
  if (!common.context.has_value() && !options.depths.empty()) common.context = context_for(deepest);
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(common, run.console));
  EngineOptions settings = opened.engine_options;
  if (!common.context.has_value()) {
    settings.context =
        std::min(opened.model->config().context_length, context_for(std::ranges::max(kDepths)));
  }
  if (settings.context < context_for(deepest)) {
    return invalid_argument(
        fmt::format("bench depth needs a context of at least {} positions for this: give a larger --context",
                    context_for(deepest)));
  }
  CAIRN_ASSIGN_OR_RETURN(const Ceilings ceilings, Ceilings::create(*opened.threads, opened.kernels->isa));
  const bool is_json = options.common.output_form == OutputForm::kJson;
  DepthTable table(options, opened.kernels->isa, run.console);
  std::vector<DepthCost> costs;
  DepthBench bench(opened, settings, chosen_depths(options, settings.context), ceilings, run);
  CAIRN_RETURN_IF_ERROR(bench.run(chosen_plans(options, opened.model->config()), [&](const DepthCost& cost) {
    costs.push_back(cost);
    if (!is_json) table.add(cost);
  }));
  if (is_json) {
    report_json(costs, opened, run.console);
  } else if (!costs.empty()) {
    run.console.note(fmt::format("Ceilings in the same runs: {:.1f} GB/s read, {:.3f} TFLOP/s ({}).",
                                 costs.back().bandwidth * 1e-9, costs.back().peak * 1e-12,
                                 isa_name(opened.kernels->isa)));
  }
  return {};
}

}  // namespace cairn
