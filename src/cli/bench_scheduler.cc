// cairn bench scheduler: the engine's own work in a step, beside the forward pass.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "cli/terminal_input.h"
#include "engine/engine.h"

namespace cairn {
namespace {

constexpr int64_t kVocabSize = 259;    // three special tokens and the bytes
constexpr int64_t kStepsMax = 2000;    // of a scenario
constexpr int64_t kStepsMin = 5;       // ... however long they take
constexpr int64_t kWarmUpSteps = 8;    // before the first that is measured
constexpr int64_t kDecodedMax = 2500;  // by a request: in all of those, and while the others' prompts are run
constexpr int64_t kPrefillChunk = 64;  // so that a prefix takes some hundred steps
constexpr uint64_t kSpentMaxNs = 10'000'000'000;  // by a scenario, before its last step

// Leaves the logits as they are, all zero from the start.
class EmptyPass final : public ForwardPass {
 public:
  explicit EmptyPass(const EngineOptions& options)
      : max_rows_(Engine::step_rows(options)), max_logit_rows_(Engine::step_logit_rows(options)) {}

  Status forward(const Batch&, KvLayerGate& gate, std::span<float>) override {
    for (int64_t layer = 0; layer < gate.layer_count(); ++layer) {
      CAIRN_RETURN_IF_ERROR(gate.open(layer).status());
      gate.close(layer);
    }
    return {};
  }
  [[nodiscard]] int64_t max_rows() const override { return max_rows_; }
  [[nodiscard]] int64_t max_logit_rows() const override { return max_logit_rows_; }
  [[nodiscard]] int64_t vocab_size() const override { return kVocabSize; }
  [[nodiscard]] uint64_t work_bytes() const override { return 0; }

 private:
  int64_t max_rows_;
  int64_t max_logit_rows_;
};

Result<Tokenizer> byte_tokenizer() {
  TokenizerTables tables{.model = "llama", .tokens = {"<unk>", "<s>", "</s>"}, .types = {2, 3, 3}};
  for (int byte = 0; byte < 256; ++byte) {
    tables.tokens.push_back(fmt::format("<0x{:02X}>", byte));
    tables.types.push_back(static_cast<int64_t>(TokenType::kByte));
  }
  tables.scores.assign(tables.tokens.size(), 0.0F);
  tables.bos = 1;
  tables.eos = 2;
  tables.unk = 0;
  return make_tokenizer(std::move(tables));
}

// What the requests that run do in the steps that are measured.
enum class Phase : uint8_t {
  kDecode,   // all of them decode
  kPrefill,  // the first runs its prompt; all others, that begin like it, wait for its blocks
};

struct Scenario {
  const char* name;
  Phase phase = Phase::kDecode;
  int64_t running = 0;  // at once
  int64_t waiting = 0;
  int64_t common = 0;  // tokens that all prompts begin with
  int64_t own = 0;     // tokens of a prompt behind them
  double bar_us = 0;   // what a step may take
  int64_t tenants = 1;
};

constexpr Scenario kScenarios[] = {
    {"256 decode", Phase::kDecode, 256, 0, 0, 64, 50},
    {"16 decode, 10,000 wait behind one prefix of 16,384", Phase::kDecode, 16, 10'000, 16'384, 2, 100},
    {"16 decode, 10,000 wait with prompts of their own", Phase::kDecode, 16, 10'000, 0, 512, 100},
    {"16 decode, 10,000 wait of 1,000 tenants", Phase::kDecode, 16, 10'000, 0, 512, 100, 1000},
    {"1 runs a prefix of 16,384, 10,000 wait for it", Phase::kPrefill, 16, 10'000, 16'384, 2, 100}};

struct StepCost {
  Scenario scenario;
  int64_t step_count = 0;
  double median_us = 0;
  double p99_us = 0;
};

// Tokens that differ from seed to seed, within a block already.
std::vector<TokenId> bytes_from(int64_t count, int64_t seed) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t digit = i % 2 == 0 ? seed % 256 : seed / 256 % 256;
    tokens.push_back(static_cast<TokenId>(3 + (digit + i / 2) % 256));
  }
  return tokens;
}

// Prompts end at different places of a block, so that blocks fill up in different steps.
Request request_of(const Scenario& scenario, int64_t number) {
  Request request{.prompt = bytes_from(scenario.common, 0), .max_tokens = kDecodedMax};
  const auto own = bytes_from(scenario.own + number % kBlockSize, number + 1);
  request.prompt.insert(request.prompt.end(), own.begin(), own.end());
  request.tenant = {static_cast<uint32_t>(number % scenario.tenants)};
  const bool runs = number < scenario.running;
  if (runs) request.forced_tokens = bytes_from(kDecodedMax, number);
  return request;
}

Result<std::unique_ptr<Engine>> empty_engine(const Scenario& scenario) {
  const EngineOptions options{.context = scenario.common + scenario.own + kBlockSize + kDecodedMax,
                              .max_sequences = scenario.running,
                              .prefill_chunk = kPrefillChunk,
                              .score_chunk = 1};
  CAIRN_ASSIGN_OR_RETURN(Tokenizer tokenizer, byte_tokenizer());
  return Engine::create({.pass = std::make_unique<EmptyPass>(options),
                         .kv_shape = {.layer_count = 1, .kv_head_count = 1, .head_dim = 8},
                         .layer_windows = {0},
                         .tokenizer = std::move(tokenizer)},
                        options);
}

Status submit(Engine& engine, const Scenario& scenario, int64_t first, int64_t count, ProgressBar& bar) {
  for (int64_t i = 0; i < count; ++i) {
    if (i % 100 == 0) bar.update(static_cast<uint64_t>(i), static_cast<uint64_t>(count));
    CAIRN_RETURN_IF_ERROR(engine.submit(request_of(scenario, first + i)).status());
  }
  return {};
}

bool decodes(const Engine& engine, RequestId id) { return engine.stats(id)->generated_tokens > 0; }

// Brings the engine into the scenario's phase; the id of the first request.
Result<RequestId> fill(Engine& engine, const Scenario& scenario, ProgressBar& bar) {
  std::vector<RequestId> running;
  for (int64_t i = 0; i < scenario.running; ++i) {
    CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine.submit(request_of(scenario, i)));
    running.push_back(id);
  }
  const auto begun = [&](RequestId id) { return decodes(engine, id); };
  if (scenario.phase == Phase::kDecode) {
    while (!std::ranges::all_of(running, begun)) engine.step();
  }
  CAIRN_RETURN_IF_ERROR(submit(engine, scenario, scenario.running, scenario.waiting, bar));
  for (int64_t i = 0; i < kWarmUpSteps; ++i) engine.step();
  return running.front();
}

// The value below which `share` of them lie.
double quantile(std::vector<double>& values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + at);
  return values[static_cast<size_t>(at)];
}

Result<StepCost> measure(const Scenario& scenario, Console& console) {
  ProgressBar bar(console, scenario.name);
  CAIRN_ASSIGN_OR_RETURN(const auto engine, empty_engine(scenario));
  CAIRN_ASSIGN_OR_RETURN(const RequestId first, fill(*engine, scenario, bar));
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  std::vector<double> times_us;
  times_us.reserve(kStepsMax);
  for (int64_t i = 0; i < kStepsMax; ++i) {
    const uint64_t step_ns = clock.now_ns();
    if (i >= kStepsMin && step_ns - begin_ns > kSpentMaxNs) break;
    if (scenario.phase == Phase::kPrefill && decodes(*engine, first)) break;
    engine->step();
    times_us.push_back(static_cast<double>(clock.now_ns() - step_ns) * 1e-3);
  }
  return StepCost{.scenario = scenario,
                  .step_count = std::ssize(times_us),
                  .median_us = quantile(times_us, 0.5),
                  .p99_us = quantile(times_us, 0.99)};
}

void add_row(const StepCost& cost, RowWriter& table) {
  table.add_row({cost.scenario.name, std::to_string(cost.step_count), fmt::format("{:.1f}", cost.median_us),
                 fmt::format("{:.1f}", cost.p99_us), fmt::format("{:.0f}", cost.scenario.bar_us)});
}

void report_json(const std::vector<StepCost>& costs, Console& console) {
  boost::json::array list;
  for (const StepCost& cost : costs) {
    list.push_back(boost::json::object{{"running", cost.scenario.running},
                                       {"waiting", cost.scenario.waiting},
                                       {"common_prefix", cost.scenario.common},
                                       {"tenants", cost.scenario.tenants},
                                       {"steps", cost.step_count},
                                       {"median_us", cost.median_us},
                                       {"p99_us", cost.p99_us},
                                       {"bar_us", cost.scenario.bar_us}});
  }
  console.write(json_line({{"steps", std::move(list)}}));
}

}  // namespace

Status bench_scheduler(const BenchOptions& options, const BenchRun& run) {
  const bool is_json = options.common.output_form == OutputForm::kJson;
  size_t width = 0;
  for (const Scenario& scenario : kScenarios) width = std::max(width, std::string_view(scenario.name).size());
  RowWriter table(run.console, options.table_form,
                  {{"requests", Align::kLeft, width},
                   {"steps", Align::kRight, 6},
                   {"median us", Align::kRight},
                   {"p99 us", Align::kRight, 9},
                   {"bar us", Align::kRight}});
  std::vector<StepCost> costs;
  for (const Scenario& scenario : kScenarios) {
    if (run.interrupt.is_raised()) break;
    CAIRN_ASSIGN_OR_RETURN(const StepCost cost, measure(scenario, run.console));
    costs.push_back(cost);
    if (!is_json) add_row(cost, table);
  }
  if (is_json) report_json(costs, run.console);
  return {};
}

}  // namespace cairn
