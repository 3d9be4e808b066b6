// A pass that fails at any layer loses its step and nothing else: it is tried again, and where it fails again and again the
// requests end with its error.
#include <gtest/gtest.h>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

class PassFailure : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] static KvPlan plan() { return *KvPlan::parse(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Plans, PassFailure, ::testing::Values("f16", "k=int8:channel,v=f32"));

// Every step of the run fails once or twice, at each layer in turn.
TEST_P(PassFailure, IsTriedAgain) {
  for (int64_t layer = 0; layer <= 2; ++layer) {
    for (const int times : {1, 2}) {
      auto [engine, pass] =
          make_fake_engine({.kv_plan = plan(), .context = 256, .max_sequences = 3, .prefill_chunk = 21});
      std::vector<Heard> heard(3);
      for (size_t i = 0; i < heard.size(); ++i) {
        ASSERT_TRUE(
            engine->submit(make_request(some_prompt(i, 70 + 9 * static_cast<int64_t>(i)), 40, heard[i]))
                .ok());
      }
      for (int step = 0; !engine->idle(); ++step) {
        ASSERT_LT(step, 2000);
        pass->fails_at_layer = step % (times + 1) < times ? std::optional(layer) : std::nullopt;
        checked_step(*engine);
      }
      for (size_t i = 0; i < heard.size(); ++i) {
        expect_oracle(heard[i], some_prompt(i, 70 + 9 * static_cast<int64_t>(i)), 40, plan());
      }
      EXPECT_GT(engine->cache().counts().abandoned_steps, 0);
    }
  }
}

TEST_P(PassFailure, EndsTheRequestsThatKeepFailing) {
  auto [engine, pass] = make_fake_engine({.kv_plan = plan(), .context = 256, .max_sequences = 3});
  std::vector<Heard> heard(2);
  for (Heard& one : heard) ASSERT_TRUE(engine->submit(make_request(some_prompt(4, 40), 5, one)).ok());
  pass->fails_at_layer = 1;
  for (int step = 0; step < 20 && !engine->idle(); ++step) checked_step(*engine);
  EXPECT_TRUE(engine->idle());
  for (const Heard& one : heard) {
    ASSERT_EQ(one.results.size(), 1U);
    EXPECT_EQ(one.results[0].reason, FinishReason::kError);
    EXPECT_EQ(one.results[0].status.message(), "the gate does not open");
  }
  pass->fails_at_layer.reset();
  Heard later;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(4, 40), 5, later)).ok());
  run_until_idle(*engine);
  expect_oracle(later, some_prompt(4, 40), 5, plan());
}

// One request's block is bad: the others go on.
TEST_P(PassFailure, EndsOnlyTheRequestThatIsTheReason) {
  auto [engine, pass] = make_fake_engine({.kv_plan = plan(), .context = 256, .max_sequences = 3});
  std::vector<Heard> heard(3);
  for (size_t i = 0; i < heard.size(); ++i) {
    ASSERT_TRUE(engine->submit(make_request(some_prompt(i, 40), 30, heard[i])).ok());
  }
  const auto bad = some_prompt(1, 40);
  FakePass* const fake = pass;
  pass->on_forward = [&, fake](const Batch& batch) {
    const bool has_bad = std::ranges::any_of(batch.sequences, [&](const BatchSequence& s) {
      const auto row = static_cast<size_t>(s.first_row);
      return s.first_position < 40 && batch.tokens[row] == bad[static_cast<size_t>(s.first_position)];
    });
    fake->fails_at_layer = has_bad ? std::optional<int64_t>(1) : std::nullopt;
  };
  run_until_idle(*engine, 300);
  EXPECT_EQ(heard[1].results.at(0).reason, FinishReason::kError);
  for (const size_t i : {size_t{0}, size_t{2}}) expect_oracle(heard[i], some_prompt(i, 40), 30, plan());
}

// Short pools, odd chunks, and passes that fail more often than not: every prompt gets on.
TEST_P(PassFailure, NoPromptStandsStill) {
  for (const int64_t prompt : {33, 40, 65, 90}) {
    for (const int64_t chunk : {1, 13, 31, 33, 64}) {
      SCOPED_TRACE(::testing::Message() << prompt << " tokens in chunks of " << chunk);
      auto [engine, pass] = make_fake_engine({.kv_plan = plan(),
                                              .context = 160,
                                              .max_sequences = 2,
                                              .prefill_chunk = chunk,
                                              .pool_bytes = fake_blocks(5, plan())});
      Heard heard;
      ASSERT_TRUE(engine->submit(make_request(some_prompt(3, prompt), 20, heard)).ok());
      for (int step = 0; !engine->idle(); ++step) {
        ASSERT_LT(step, 2000);
        pass->fails_at_layer = step % 3 < 2 ? std::optional<int64_t>(1) : std::nullopt;
        checked_step(*engine);
      }
      expect_oracle(heard, some_prompt(3, prompt), 20, plan());
    }
  }
}

}  // namespace
}  // namespace cairn
