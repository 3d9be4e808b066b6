// Deadlines: wherever a request is on its way, it ends in the first step that begins when its time is up.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

class Deadlines : public ::testing::Test {
 protected:
  void make(int64_t max_sequences) {
    EngineOptions options{.context = 512, .max_sequences = max_sequences, .prefill_chunk = 64};
    options.clock = &clock_;
    engine_ = make_fake_engine(options).engine;
  }
  Request until(uint64_t deadline_ns, std::vector<TokenId> prompt, int64_t max_tokens, Heard& heard) {
    Request request = make_request(std::move(prompt), max_tokens, heard);
    request.deadline_ns = deadline_ns;
    return request;
  }
  RequestId submit(Request request) {
    const Result<RequestId> id = engine_->submit(std::move(request));
    EXPECT_TRUE(id.ok()) << id.status().message();
    return id.ok() ? *id : RequestId{};
  }
  static void expect_late(const Heard& heard) {
    ASSERT_EQ(heard.results.size(), 1U);
    EXPECT_EQ(heard.results[0].reason, FinishReason::kDeadline);
    EXPECT_TRUE(heard.results[0].status.ok());
  }

  ManualClock clock_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(Deadlines, OneThatRunsEndsWithWhatItHas) {
  make(2);
  Heard late, other;
  submit(until(100, some_prompt(1, 10), 300, late));
  submit(make_request(some_prompt(2, 10), 20, other));
  for (int i = 0; i < 5; ++i) checked_step(*engine_);
  clock_.advance_ns(99);
  checked_step(*engine_);
  EXPECT_TRUE(late.results.empty());
  clock_.advance_ns(1);
  checked_step(*engine_);
  expect_late(late);
  EXPECT_EQ(late.tokens, oracle_tokens(some_prompt(1, 10), 6));
  run_until_idle(*engine_);
  expect_oracle(other, some_prompt(2, 10), 20);
}

TEST_F(Deadlines, OneThatIsQueuedEnds) {
  make(1);
  Heard first, late;
  submit(make_request(some_prompt(1, 10), 30, first));
  submit(until(7, some_prompt(2, 10), 30, late));
  checked_step(*engine_);
  EXPECT_EQ(engine_->count_of(SequenceState::kQueued), 1);
  clock_.advance_ns(7);
  checked_step(*engine_);
  expect_late(late);
  EXPECT_EQ(late.results[0].stats.ttft_ns, 0U);
  run_until_idle(*engine_);
  expect_oracle(first, some_prompt(1, 10), 30);
}

TEST_F(Deadlines, OneThatIsLoadingEndsAndItsOwnerGoesOn) {
  make(2);
  const auto prompt = some_prompt(1, 300);
  Heard first, late;
  submit(make_request(prompt, 3, first));
  checked_step(*engine_);
  submit(until(7, prompt, 3, late));
  checked_step(*engine_);
  EXPECT_EQ(engine_->count_of(SequenceState::kLoading), 1);
  clock_.advance_ns(7);
  checked_step(*engine_);
  expect_late(late);
  run_until_idle(*engine_);
  expect_oracle(first, prompt, 3);
}

// And one that waits for it finds another way.
TEST_F(Deadlines, AnOwnerEndsAndTheOneThatWaitsForItGoesOn) {
  make(2);
  const auto prompt = some_prompt(1, 300);
  Heard late, second;
  submit(until(7, prompt, 3, late));
  checked_step(*engine_);
  submit(make_request(prompt, 3, second));
  checked_step(*engine_);
  clock_.advance_ns(7);
  run_until_idle(*engine_);
  expect_late(late);
  expect_oracle(second, prompt, 3);
}

// No step runs while it waits, so nobody would notice.
TEST_F(Deadlines, OneWhoseCallerPicksTheTokensHasNone) {
  make(2);
  Heard heard;
  Request request = until(7, some_prompt(1, 10), 30, heard);
  request.picks = Picks::kByCaller;
  request.on_text = {};
  const Status status = engine_->submit(std::move(request)).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("deadline_ns"), std::string::npos) << status.message();
  EXPECT_TRUE(engine_->idle());
}

TEST_F(Deadlines, OneThatIsLateFromTheStartNeverRuns) {
  make(1);
  clock_.advance_ns(1000);
  Heard late;
  submit(until(1000, some_prompt(1, 10), 30, late));
  EXPECT_TRUE(late.results.empty());
  checked_step(*engine_);
  expect_late(late);
  EXPECT_EQ(late.results[0].stats.projected_positions, 0U);
  EXPECT_TRUE(engine_->idle());
}

// Callbacks of one that is late use the engine as any other's.
TEST_F(Deadlines, CallbacksMaySubmitAndCancel) {
  make(2);
  Heard late, cancelled, next;
  std::optional<RequestId> second;
  Request first = until(5, some_prompt(1, 10), 30, late);
  first.on_finish = [&](const RequestResult& result) {
    late.results.push_back(result);
    EXPECT_TRUE(engine_->cancel(*second));
    submit(make_request(some_prompt(3, 10), 2, next));
  };
  submit(std::move(first));
  second = submit(until(6, some_prompt(2, 10), 30, cancelled));
  checked_step(*engine_);
  clock_.advance_ns(5);
  checked_step(*engine_);
  expect_late(late);
  ASSERT_EQ(cancelled.results.size(), 1U);
  EXPECT_EQ(cancelled.results[0].reason, FinishReason::kCancelled);
  run_until_idle(*engine_);
  expect_oracle(next, some_prompt(3, 10), 2);
}

// Where both have passed when the callback cancels the second, it ends once all the same.
TEST_F(Deadlines, OneThatIsLateAndCancelledEndsOnce) {
  make(2);
  Heard late, second_heard;
  std::optional<RequestId> second;
  Request first = until(5, some_prompt(1, 10), 30, late);
  first.on_finish = [&](const RequestResult& result) {
    late.results.push_back(result);
    EXPECT_TRUE(engine_->cancel(*second));
  };
  submit(std::move(first));
  second = submit(until(5, some_prompt(2, 10), 30, second_heard));
  clock_.advance_ns(5);
  run_until_idle(*engine_);
  expect_late(late);
  EXPECT_EQ(second_heard.results.size(), 1U);
}

TEST_F(Deadlines, AForkHasItsOwn) {
  make(3);
  Heard parent_heard, child_heard;
  const RequestId parent = submit(until(10, some_prompt(1, 40), 30, parent_heard));
  checked_step(*engine_);
  ASSERT_TRUE(engine_->fork(parent, make_request({}, 5, child_heard)).ok());
  clock_.advance_ns(10);
  run_until_idle(*engine_);
  expect_late(parent_heard);
  ASSERT_EQ(child_heard.results.size(), 1U);
  EXPECT_EQ(child_heard.results[0].reason, FinishReason::kLength);
}

}  // namespace
}  // namespace cairn
