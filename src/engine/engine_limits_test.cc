// Smaller steps: limits are an argument of each, and change no logit.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

struct Counted {
  FakeEngine made;
  int64_t rows = 0;

  explicit Counted(const EngineOptions& options) : made(make_fake_engine(options)) {
    made.pass->on_forward = [this](const Batch& batch) { rows = std::ssize(batch.tokens); };
  }
  int64_t rows_of_step(const StepLimits& limits) {
    rows = 0;
    made.engine->step(limits);
    return rows;
  }
};

TEST(StepLimits, AStepRunsNoMoreThanItMay) {
  Counted counted({.context = 512, .prefill_chunk = 64});
  Engine& engine = *counted.made.engine;
  EXPECT_EQ(engine.step_limits().prefill_rows, 64);
  EXPECT_EQ(engine.step_limits().score_rows, 32);
  Heard heard;
  ASSERT_TRUE(engine.submit(make_request(some_prompt(1, 300), 4, heard)).ok());
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 10, .score_rows = 1}), 10);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 0, .score_rows = 0}), 1);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = -5, .score_rows = -5}), 1);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = kMost, .score_rows = kMost}), 64);
  EXPECT_EQ(counted.rows_of_step(engine.step_limits()), 64);
  run_until_idle(engine);
  expect_oracle(heard, some_prompt(1, 300), 4);
}

TEST(StepLimits, HoldForScoredRows) {
  Counted counted({.context = 512, .prefill_chunk = 64});
  Engine& engine = *counted.made.engine;
  Heard heard;
  Request request = make_request(some_prompt(1, 100), 0, heard);
  request.logits_wanted = LogitsWanted::kEveryPosition;
  ASSERT_TRUE(engine.submit(std::move(request)).ok());
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 64, .score_rows = 7}), 7);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 5, .score_rows = 7}), 5);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = kMost, .score_rows = kMost}), 32);
  EXPECT_EQ(heard.logits.size(), 44U);
}

// Decoding is not limited: a small step is one for those that decode.
TEST(StepLimits, AreOfPromptsOnly) {
  Counted counted({.context = 512, .max_sequences = 4, .prefill_chunk = 64});
  Engine& engine = *counted.made.engine;
  std::vector<Heard> heard(4);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine.submit(make_request(some_prompt(i, 5), 50, heard[i])).ok());
  }
  engine.step();
  ASSERT_TRUE(engine.submit(make_request(some_prompt(9, 300), 1, heard[3])).ok());
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 1, .score_rows = 1}), 3 + 1);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 20, .score_rows = 1}), 3 + 20);
}

// Without a cache a step computes everything: there is nothing to make smaller.
TEST(StepLimits, DoNotCutWhatIsNeverCut) {
  Counted counted({.storage = KvStorageKind::kNone, .context = 512});
  Engine& engine = *counted.made.engine;
  Heard heard;
  ASSERT_TRUE(engine.submit(make_request(some_prompt(1, 300), 2, heard)).ok());
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 10, .score_rows = 1}), 300);
  EXPECT_EQ(counted.rows_of_step({.prefill_rows = 1, .score_rows = 1}), 301);
  expect_oracle(heard, some_prompt(1, 300), 2);
}

class LimitsByPlan : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Plans, LimitsByPlan, ::testing::Values("f16", "k=int8:channel,v=f32"));

TEST_P(LimitsByPlan, ChangeNoLogit) {
  const KvPlan plan = KvPlan::parse(GetParam()).value();
  for (uint64_t seed = 0; seed < 10; ++seed) {
    std::mt19937_64 random(seed);
    auto [engine, pass] =
        make_fake_engine({.kv_plan = plan, .context = 256, .max_sequences = 3, .prefill_chunk = 70});
    std::vector<Heard> heard(5);
    for (size_t i = 0; i < heard.size(); ++i) {
      Request request =
          make_request(some_prompt(10 * seed + i, 20 + 40 * static_cast<int64_t>(i)), 9, heard[i]);
      if (i % 2 == 0) request.logits_wanted = LogitsWanted::kEveryPosition;
      ASSERT_TRUE(engine->submit(std::move(request)).ok());
    }
    while (!engine->idle()) {
      engine->step({.prefill_rows = static_cast<int64_t>(random() % 80),
                    .score_rows = static_cast<int64_t>(random() % 40)});
      ASSERT_TRUE(engine->cache().check().ok()) << engine->cache().check().message();
    }
    for (size_t i = 0; i < heard.size(); ++i) {
      const auto prompt = some_prompt(10 * seed + i, 20 + 40 * static_cast<int64_t>(i));
      expect_oracle(heard[i], prompt, 9, plan);
      auto text = prompt;
      text.insert(text.end(), heard[i].tokens.begin(), heard[i].tokens.end());
      for (size_t row = 0; row < heard[i].logits.size(); ++row) {
        const auto count = static_cast<size_t>(heard[i].logit_positions[row] + 1);
        ASSERT_EQ(heard[i].logits[row], oracle_logits(std::span(text).first(count), plan)) << count;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
