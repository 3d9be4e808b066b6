// Games of chance with engines, over a fake model and over small made ones (chaos_testing.h): law 2 from every
// door. Short as a test; CAIRN_CHAOS_ROWS asks for so many compared rows of logits, CAIRN_CHAOS_SEED for one
// game again.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/sanitizer_testing.h"
#include "base/thread_pool.h"
#include "engine/chaos_testing.h"
#include "engine/drafts/drafters_testing.h"
#include "engine/drafts/prompt_lookup.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "engine/memory_plan.h"
#include "engine/verify/laws_testing.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn {
namespace {

std::optional<uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? std::nullopt : std::optional(std::strtoull(text, nullptr, 10));
}

// Says how to play a game again where it ends the process, by an abort or by never ending.
class SeedNote {
 public:
  SeedNote(const char* test, uint64_t seed) {
    std::snprintf(message_.data(), message_.size(),
                  "chaos: this was CAIRN_CHAOS_SEED=%llu build/engine_test --gtest_filter=EngineChaos.%s\n",
                  static_cast<unsigned long long>(seed), test);
    abort_before_ = std::signal(SIGABRT, write_and_die);
    alarm_before_ = std::signal(SIGALRM, write_and_die);
    ::alarm(kGameSecondsMax);
  }
  SeedNote(const SeedNote&) = delete;
  SeedNote& operator=(const SeedNote&) = delete;
  ~SeedNote() {
    ::alarm(0);
    std::signal(SIGABRT, abort_before_);
    std::signal(SIGALRM, alarm_before_);
  }
  [[nodiscard]] static const char* message() { return message_.data(); }

 private:
  static constexpr unsigned kGameSecondsMax = 240;  // a game takes milliseconds, or seconds under a sanitizer

  static void write_and_die(int /*signal*/) {
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, message_.data(), std::strlen(message_.data()));
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
  }

  static inline std::array<char, 160> message_{};
  void (*abort_before_)(int) = nullptr;
  void (*alarm_before_)(int) = nullptr;
};

// Plays games until so many rows have been compared; `play` plays one and returns its number of rows.
void play_games(const char* test, int64_t rows_wanted, auto&& play) {
  const auto only = number_from("CAIRN_CHAOS_SEED");
  int64_t rows = 0;
  uint64_t seed = only.value_or(1);
  do {
    const SeedNote note(test, seed);
    rows += play(seed);
    if (::testing::Test::HasFailure()) ADD_FAILURE() << SeedNote::message();
    ++seed;
  } while (rows < rows_wanted && !only.has_value() && !::testing::Test::HasFailure());
  std::printf("%lld rows compared in %llu games\n", static_cast<long long>(rows),
              static_cast<unsigned long long>(seed - only.value_or(1)));
}

// What every game chooses; how large the context and the pool are depends on the model.
EngineOptions some_options(Dice& dice, std::span<const char* const> plans) {
  constexpr std::array kOthers = {KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous};
  constexpr std::array kPrefillChunks = {1, 7, 33, 40, 50, 64, 512};
  constexpr std::array kScoreChunks = {1, 5, 16, 64};
  EngineOptions options;
  options.storage = dice.one_in(4) ? dice.one_of(kOthers) : KvStorageKind::kPaged;
  options.sharing = dice.one_in(5) ? PrefixSharing::kOff : PrefixSharing::kOn;
  options.kv_plan = KvPlan::parse(dice.one_of(plans)).value();
  options.context = dice.between(40, 250);
  options.max_sequences = dice.one_in(2) ? 12 : dice.between(1, 6);  // places for all, or for some
  options.prefill_chunk = dice.one_of(kPrefillChunks);
  options.score_chunk = dice.one_in(3) ? options.context : dice.one_of(kScoreChunks);
  options.seed = dice.bits();
  return options;
}

// Half of the pools are so small that requests evict each other.
void limit_pool(Dice& dice, EngineOptions& options, const KvShape& shape) {
  const bool has_pool =
      options.storage == KvStorageKind::kPaged || options.storage == KvStorageKind::kGrowing;
  if (!has_pool || !dice.one_in(2)) return;
  options.pool_bytes = *pool_bytes_of(Engine::cache_options(shape, options), dice.between(2, 9));
}

// Half of the games partition the layers into two or three groups. Drawn apart, so that the rest of a game is what it
// would be with one.
std::vector<int32_t> some_layer_groups(uint64_t seed, int64_t layer_count) {
  constexpr uint64_t kStream = 100;
  Dice dice(seed, kStream);
  if (dice.one_in(2)) return {};
  const int64_t group_count = std::min(dice.between(2, 3), layer_count);
  std::vector<int32_t> groups;
  groups.reserve(static_cast<size_t>(layer_count));
  for (int64_t layer = 0; layer < layer_count; ++layer) {
    groups.push_back(static_cast<int32_t>(layer < group_count ? layer : dice.below(group_count)));
  }
  return groups;
}

// Of these groups, each cut into layers that see the same.
std::vector<int32_t> cut_by_visibility(const std::vector<int32_t>& groups,
                                       const std::vector<Visibility>& visibility) {
  std::vector<std::pair<int32_t, Visibility>> known;
  std::vector<int32_t> cut;
  for (size_t layer = 0; layer < groups.size(); ++layer) {
    const std::pair of_layer{groups[layer], visibility[layer]};
    const auto found = std::ranges::find(known, of_layer);
    cut.push_back(static_cast<int32_t>(found - known.begin()));
    if (found == known.end()) known.push_back(of_layer);
  }
  return cut;
}

// Half of the games with a cache guess tokens ahead. Drawn apart, likewise.
template <typename MakeDrafter>
void choose_drafter(uint64_t seed, EngineOptions& options, const MakeDrafter& make) {
  constexpr uint64_t kStream = 101;
  Dice dice(seed, kStream);
  if (options.storage == KvStorageKind::kNone || dice.one_in(2)) return;
  options.drafter = make(dice);
}

// ---- over FakePass --------------------------------------------------------------------------------

// The formats' widths are not FakePass's matter (it wants at least a byte), but when their codecs seal.
constexpr std::array kFakePlans = {"f16",
                                   "int8:token",
                                   "f32",
                                   "k=int8:channel,v=int8:channel",
                                   "k=int8:channel,v=f16",
                                   "k=fp8,v=int8:channel",
                                   "layer 0: f16; rest: k=int8:channel,v=int8:token",
                                   "layer 0: int8:channel; rest: bf16"};

class FakeOracle final : public LogitOracle {
 public:
  explicit FakeOracle(KvPlan plan) : plan_(std::move(plan)) {}

  std::vector<uint64_t> bits_after(std::span<const TokenId> tokens, size_t skipped) override {
    const std::vector<uint64_t> keys = prefix_keys(tokens);
    std::vector<uint64_t> bits;
    for (size_t i = skipped; i < tokens.size(); ++i) {
      const auto [at, is_new] = known_.try_emplace(keys[i]);
      if (is_new) at->second = bits_of(oracle_logits(tokens.first(i + 1), plan_));
      bits.push_back(at->second);
    }
    return bits;
  }

 private:
  KvPlan plan_;
  std::unordered_map<uint64_t, uint64_t> known_;
};

ChaosEngine make_fake(uint64_t seed, const EngineOptions& options) {
  KvShape shape = fake_shape(options.kv_plan);
  shape.layer_groups = some_layer_groups(seed, shape.layer_count);
  Engine::Parts parts{
      .pass = std::make_unique<FakePass>(Engine::step_rows(options), Engine::step_logit_rows(options)),
      .kv_shape = std::move(shape),
      .layer_windows = {0, 10},
      .tokenizer = fake_tokenizer()};
  return make_chaos_engine(seed, std::move(parts), options);
}

TEST(EngineChaos, FakeModel) {
  std::map<std::string, FakeOracle> oracles;  // by plan
  ChaosCounts counts;
  const int64_t short_run = kSanitized ? 3000 : 20000;
  const auto rows_wanted = static_cast<int64_t>(number_from("CAIRN_CHAOS_ROWS").value_or(short_run));
  play_games("FakeModel", rows_wanted, [&](uint64_t seed) {
    Dice dice(seed, 0);
    EngineOptions options = some_options(dice, kFakePlans);
    limit_pool(dice, options, fake_shape(options.kv_plan));
    choose_drafter(seed, options, [&](Dice& drafts) {
      return std::make_shared<OracleDrafter>(options.kv_plan, drafts.between(2, 6), seed);
    });
    FakeOracle& oracle = oracles.try_emplace(options.kv_plan.text(), options.kv_plan).first->second;
    ChaosGame game(seed, options, make_fake(seed, options), oracle, {});
    game.play();
    counts += game.counts();
    return game.counts().rows_compared;
  });
  if (::testing::Test::HasFailure() || number_from("CAIRN_CHAOS_SEED").has_value()) return;
  // So many in 20,000 rows; a run of fewer rows, under a sanitizer, sees fewer in proportion.
  const auto expect_more = [rows_wanted](int64_t count, int64_t bound, const char* what) {
    EXPECT_GT(count * 20'000, bound * std::min<int64_t>(rows_wanted, 20'000)) << what;
  };
  expect_more(counts.preemptions, 20, "preemptions");
  expect_more(counts.quota_waits, 20, "requests that waited for a quota");
  expect_more(counts.ends_by_quota, 5, "requests that exceeded one");
  expect_more(counts.operations_in_callbacks, 1000, "operations in callbacks");
  expect_more(counts.operations_in_destructors, 100, "operations in destructors");
  expect_more(counts.failed_passes, 500, "failed passes");
  expect_more(counts.ends_by_failure, 10, "ends by failing passes");
  expect_more(counts.calls_while_closing, 10, "calls while the engine is destroyed");
}

// ---- over small made models -----------------------------------------------------------------------

constexpr std::array kPlans = {"f16",
                               "int8:token",
                               "f32",
                               "int4",
                               "k=int4:channel,v=f16",
                               "k=int2:channel,v=int2:token",
                               "k=bf16,v=int8:channel",
                               "layers 0-1: f16; rest: int4",
                               "layer 0: k=int3:channel,v=fp8; rest: int8:token",
                               "window=20",
                               "int4,window=70",
                               "f16,sinks=4,window=40",
                               "layer 0: int8,sinks=33,window=50; rest: k=int4,v=f16"};
constexpr std::array kShapes = {"tiny-llama", "tiny-mistral", "tiny-gemma2", "tiny-gpt2"};

// All positions in one step, by one thread, without a cache.
class ModelOracle final : public LogitOracle {
 public:
  ModelOracle(std::shared_ptr<const Model> model, const KvPlan& plan) : threads_(1) {
    auto engine = Engine::create(
        std::move(model), threads_,
        {.storage = KvStorageKind::kNone, .kv_plan = plan, .context = kTokensMax, .score_chunk = kTokensMax});
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    engine_ = std::move(*engine);
  }

  std::vector<uint64_t> bits_after(std::span<const TokenId> tokens, size_t skipped) override {
    const std::vector<uint64_t> keys = prefix_keys(tokens);
    const auto is_known = [this](uint64_t key) { return known_.contains(key); };
    if (!std::all_of(keys.begin() + static_cast<int64_t>(skipped), keys.end(), is_known)) learn(tokens, keys);
    std::vector<uint64_t> bits;
    for (size_t i = skipped; i < keys.size(); ++i) bits.push_back(known_.at(keys[i]));
    return bits;
  }

 private:
  static constexpr int64_t kTokensMax = 256;  // more than a context of the games

  void learn(std::span<const TokenId> tokens, std::span<const uint64_t> keys) {
    Request request{.prompt = {tokens.begin(), tokens.end()},
                    .max_tokens = 0,
                    .logits_wanted = LogitsWanted::kEveryPosition};
    request.on_logits = [&](int64_t position, std::span<const float> logits) {
      known_[keys[static_cast<size_t>(position)]] = bits_of(logits);
    };
    const auto id = engine_->submit(std::move(request));
    ASSERT_TRUE(id.ok()) << id.status().message();
    while (!engine_->idle()) engine_->step();
  }

  ThreadPool threads_;
  std::unique_ptr<Engine> engine_;
  std::unordered_map<uint64_t, uint64_t> known_;
};

// Models of all shapes and instruction sets, made when they are first asked for.
class MadeModels {
 public:
  std::shared_ptr<const Model> get(const std::string& shape, Isa isa) {
    auto& model = models_[{shape, isa}];
    if (model == nullptr) model = made_model(shape, TensorType::kQ8_0, kernels_for(isa));
    return model;
  }

 private:
  std::map<std::pair<std::string, Isa>, std::shared_ptr<const Model>> models_;
};

int64_t play_with_model(uint64_t seed, MadeModels& models) {
  Dice dice(seed, 0);
  const Isa isa = dice.one_of(available_isas());
  const auto model = models.get(dice.one_of(kShapes), isa);
  EngineOptions options = some_options(dice, kPlans);
  limit_pool(dice, options, *kv_shape_of(model->config(), options.kv_plan, options.context));
  choose_drafter(seed, options, [](Dice&) { return std::make_shared<PromptLookup>(); });
  ThreadPool threads(static_cast<int>(dice.between(1, 3)));
  auto parts = Engine::parts_of(model, threads, options);
  EXPECT_TRUE(parts.ok()) << parts.status().message();
  if (!parts.ok()) return 0;
  parts->kv_shape.layer_groups =
      cut_by_visibility(some_layer_groups(seed, model->config().layer_count), parts->kv_shape.visibility);
  ModelOracle oracle(model, options.kv_plan);
  // The plain kernels are slow.
  const bool is_slow = isa == Isa::kScalar;
  ChaosGame game(seed, options, make_chaos_engine(seed, std::move(*parts), options), oracle,
                 {.operations = is_slow ? 30 : 80, .live_requests = is_slow ? 4 : 8, .tokens_max = 30});
  game.play();
  return game.counts().rows_compared;
}

TEST(EngineChaos, MadeModels) {
  MadeModels models;
  const int64_t short_run = kSanitized ? 300 : 2000;
  // A row of these costs a hundred of the fake model's.
  constexpr uint64_t kShare = 20;
  const auto asked = number_from("CAIRN_CHAOS_ROWS");
  const auto rows_wanted = asked.has_value() ? static_cast<int64_t>(*asked / kShare) : short_run;
  play_games("MadeModels", rows_wanted, [&](uint64_t seed) { return play_with_model(seed, models); });
}

}  // namespace
}  // namespace cairn
