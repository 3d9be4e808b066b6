#include "engine/simulator_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "engine/chaos_dice_testing.h"
#include "engine/fake_pass_testing.h"
#include "engine/schedule_trace.h"

namespace cairn {
namespace {

constexpr int64_t kContext = 512;
constexpr int64_t kChunk = 128;
constexpr int64_t kStepsBetweenChecks = 1000;
constexpr uint64_t kDeadlineNs = 20'000'000'000;

// Computes nothing, and takes its time on a clock that somebody else reads.
class CostingPass final : public ForwardPass {
 public:
  CostingPass(const EngineOptions& options, const SimulatedCost& cost, ManualClock& clock)
      : max_rows_(Engine::step_rows(options)),
        max_logit_rows_(Engine::step_logit_rows(options)),
        cost_(cost),
        clock_(clock) {}

  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float>) override {
    for (int64_t layer = 0; layer < gate.layer_count(); ++layer) {
      CAIRN_RETURN_IF_ERROR(gate.open(layer).status());
      gate.close(layer);
    }
    clock_.advance_ns(std::max(cost_.read_ns, batch.tokens.size() * cost_.row_ns));
    return {};
  }
  [[nodiscard]] int64_t max_rows() const override { return max_rows_; }
  [[nodiscard]] int64_t max_logit_rows() const override { return max_logit_rows_; }
  [[nodiscard]] int64_t vocab_size() const override { return kFakeVocab; }
  [[nodiscard]] uint64_t work_bytes() const override { return 0; }

 private:
  int64_t max_rows_;
  int64_t max_logit_rows_;
  SimulatedCost cost_;
  ManualClock& clock_;
};

struct Asked {
  RequestId id;
  size_t tenant = 0;
  int64_t max_tokens = 0;
  std::optional<uint64_t> deadline_ns;
  bool is_urgent = false;
  bool is_cancelled = false;
  int64_t rows_before = 0;  // of the engine, when it was submitted
  int64_t end_count = 0;
};

class Simulation {
 public:
  explicit Simulation(const SimulatorOptions& options)
      : options_(options), dice_(options.seed, 1), trace_(options.trace_numbers) {
    report_.tenants.resize(options.tenants.size());
    open_.resize(options.tenants.size());
    asked_.reserve(static_cast<size_t>(options.request_count));
    make_engine();
  }

  SimulatorReport run() {
    const auto fill = [this] {
      for (size_t tenant = 0; tenant < open_.size(); ++tenant) fill_window(tenant);
    };
    for (fill(); !engine_->idle() && !::testing::Test::HasFatalFailure(); fill()) {
      if (std::exchange(all_submitted_, std::ssize(asked_) == options_.request_count) != all_submitted_) {
        note_shares();
      }
      make_trouble();
      engine_->step();
      if (++report_.step_count % kStepsBetweenChecks == 0) check_cache();
    }
    finish();
    return std::move(report_);
  }

 private:
  void make_engine() {
    EngineOptions options{.context = kContext, .max_sequences = options_.max_sequences};
    options.prefill_chunk = kChunk;
    options.clock = &clock_;
    options.pace = options_.pace;
    if (options_.trace_numbers > 0) options.trace = &trace_;
    const KvShape shape{.layer_count = 1, .kv_head_count = 1, .head_dim = 8};
    options.pool_bytes =
        static_cast<uint64_t>(options_.pool_blocks) * KvGeometry::make(shape).value().block_bytes();
    auto engine = Engine::create({.pass = std::make_unique<CostingPass>(options, options_.cost, clock_),
                                  .kv_shape = shape,
                                  .layer_windows = {0},
                                  .tokenizer = fake_tokenizer()},
                                 options);
    CHECK(engine.ok());
    engine_ = std::move(*engine);
    std::vector<TenantShare> shares;
    for (const SimulatedTenant& tenant : options_.tenants) shares.push_back(tenant.share);
    CHECK(engine_->set_tenants(options_.planted.value_or(shares)).ok());
  }

  bool has_trouble(int64_t one_in) { return one_in > 0 && dice_.one_in(one_in); }

  void fill_window(size_t tenant) {
    while (open_[tenant] < options_.tenants[tenant].window && std::ssize(asked_) < options_.request_count) {
      submit(tenant);
    }
  }

  void submit(size_t tenant) {
    const SimulatedTenant& kind = options_.tenants[tenant];
    const size_t number = asked_.size();
    const int64_t length = dice_.between(kind.prompt_min, kind.prompt_max);
    const auto prefix = static_cast<uint64_t>(dice_.below(kind.prefix_count));
    Request request{.max_tokens = dice_.between(1, kind.tokens_max), .ignore_end_tokens = true};
    request.prompt = branch_of(prefix, length / 2, number, length);
    request.forced_tokens.assign(static_cast<size_t>(*request.max_tokens), TokenId{3});  // no sampling
    request.salt = std::to_string(kind.share.id.value);
    request.tenant = kind.share.id;
    Asked asked{.tenant = tenant, .max_tokens = *request.max_tokens, .rows_before = total_rows()};
    asked.is_urgent = has_trouble(options_.trouble.urgent);
    if (asked.is_urgent) request.priority = 1;
    if (has_trouble(options_.trouble.with_deadline)) {
      asked.deadline_ns = clock_.now_ns() + dice_.bits() % kDeadlineNs;
      request.deadline_ns = asked.deadline_ns;
    }
    request.on_finish = [this, number](const RequestResult& result) { note_end(number, result); };
    const Result<RequestId> id = engine_->submit(std::move(request));
    ASSERT_TRUE(id.ok()) << id.status().message();
    asked.id = *id;
    asked_.push_back(asked);
    ++open_[tenant];
  }

  void make_trouble() {
    if (!has_trouble(options_.trouble.cancelled)) return;
    const int64_t newest = std::ssize(asked_) - 1;
    Asked& asked = asked_[static_cast<size_t>(newest - dice_.below(std::min<int64_t>(newest + 1, 100)))];
    if (asked.end_count > 0) return;
    asked.is_cancelled = true;
    EXPECT_TRUE(engine_->cancel(asked.id));
  }

  void note_end(size_t number, const RequestResult& result) {
    Asked& asked = asked_[number];
    SimulatedUse& use = report_.tenants[asked.tenant];
    EXPECT_EQ(++asked.end_count, 1) << "request " << number << " ended twice";
    expect_reason(asked, result);
    --open_[asked.tenant];
    ++use.request_count;
    use.preemptions += result.stats.preemptions;
    report_.preemptions += result.stats.preemptions;
    if (!asked.is_urgent) {
      use.longest_wait_rows = std::max(use.longest_wait_rows, total_rows() - asked.rows_before);
    }
    for (const uint64_t part : {static_cast<uint64_t>(number), static_cast<uint64_t>(result.reason),
                                static_cast<uint64_t>(result.stats.generated_tokens), clock_.now_ns()}) {
      report_.digest = random_bits(report_.digest, part, 0);
    }
  }

  void expect_reason(const Asked& asked, const RequestResult& result) {
    if (result.reason == FinishReason::kCancelled) {
      EXPECT_TRUE(asked.is_cancelled);
      ++report_.cancelled;
    } else if (result.reason == FinishReason::kDeadline) {
      ASSERT_TRUE(asked.deadline_ns.has_value());
      EXPECT_GE(clock_.now_ns(), *asked.deadline_ns);
      ++report_.late;
    } else {
      EXPECT_EQ(result.reason, FinishReason::kLength) << result.status.message();
      EXPECT_EQ(result.stats.generated_tokens, asked.max_tokens);
    }
  }

  [[nodiscard]] int64_t total_rows() const {
    int64_t sum = 0;
    for (const SimulatedTenant& tenant : options_.tenants) sum += engine_->rows_of(tenant.share.id);
    return sum;
  }

  // At the last moment at which every tenant has more to do than it can get.
  void note_shares() {
    for (size_t i = 0; i < open_.size(); ++i) {
      report_.tenants[i].row_count = engine_->rows_of(options_.tenants[i].share.id);
    }
  }

  void check_cache() const {
    const Status status = engine_->cache().check();
    ASSERT_TRUE(status.ok()) << status.message();
  }

  void finish() {
    check_cache();
    EXPECT_EQ(std::ssize(asked_), options_.request_count);
    EXPECT_TRUE(std::ranges::all_of(asked_, [](const Asked& asked) { return asked.end_count == 1; }));
    const KvBlockCounts blocks = engine_->cache().block_counts(0);
    EXPECT_EQ(blocks.open_blocks, 0);
    EXPECT_EQ(blocks.held_blocks, 0);
    EXPECT_EQ(blocks.free_blocks + blocks.idle_blocks, blocks.block_count);
    report_.trace = trace_.numbers();
  }

  const SimulatorOptions& options_;
  Dice dice_;
  ManualClock clock_;
  ScheduleTrace trace_;
  std::unique_ptr<Engine> engine_;
  std::vector<Asked> asked_;
  std::vector<int64_t> open_;  // requests, of each tenant
  bool all_submitted_ = false;
  SimulatorReport report_;
};

}  // namespace

double SimulatorReport::unfairness(const std::vector<SimulatedTenant>& kinds) const {
  double rows = 0;
  double weights = 0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    rows += static_cast<double>(tenants[i].row_count);
    weights += static_cast<double>(kinds[i].share.weight);
  }
  double worst = 0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const double due = rows * static_cast<double>(kinds[i].share.weight) / weights;
    worst = std::max(worst, std::abs(static_cast<double>(tenants[i].row_count) - due) / due);
  }
  return worst;
}

SimulatorReport simulate(const SimulatorOptions& options) { return Simulation(options).run(); }

}  // namespace cairn
