// Requests over a cache whose layers all see a window: what a next turn, a waiting request and a fork find again, and what
// a text without end does not do.
#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "engine/allocation_failure_testing.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "engine/open_engine.h"
#include "engine/verify/laws_testing.h"

namespace cairn {
namespace {

constexpr int64_t kContext = 2000;

class EngineWindows : public ::testing::Test {
 protected:
  void make(int64_t context, int64_t max_sequences = 1) {
    EngineOptions options{.kv_plan = KvPlan::parse("sinks=4,window=60").value(),
                          .context = context,
                          .max_sequences = max_sequences,
                          .prefill_chunk = 64};
    engine_ = Engine::create(model_, threads_, options).value();
  }
  // Ended, with so many tokens.
  RequestResult run(Request request) {
    Heard heard;
    listen(request, heard);
    request.ignore_end_tokens = true;
    EXPECT_TRUE(engine_->submit(std::move(request)).ok());
    run_until_idle(*engine_);
    EXPECT_EQ(heard.results.size(), 1U);
    return heard.results.at(0);
  }

  std::shared_ptr<const Model> model_ =
      made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  ThreadPool threads_{1};
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineWindows, ATurnThatDiffersFarBackGoesOnFromTheTailOfTheTurnBefore) {
  make(kContext);
  const SessionId session = engine_->open_session().value();
  const std::vector<TokenId> first = some_prompt(1, 500);
  run({.prompt = first, .max_tokens = 300, .session = session});
  // The reply is told otherwise from its tenth token on.
  std::vector<TokenId> second = first;
  for (int i = 0; i < 200; ++i) second.push_back(static_cast<TokenId>(7 + i % 40));
  const RequestResult result = run({.prompt = second, .max_tokens = 1, .session = session});
  EXPECT_EQ(result.stats.reused_tokens, 480);  // the last block end of the first prompt
}

TEST_F(EngineWindows, ATurnThatGoesOnLeavesItsOwnEndToTheNext) {
  make(kContext);
  const SessionId session = engine_->open_session().value();
  const std::vector<TokenId> first = some_prompt(1, 300);
  run({.prompt = first, .max_tokens = 1, .session = session});
  std::vector<TokenId> second = first;
  for (int i = 0; i < 300; ++i) second.push_back(static_cast<TokenId>(3 + i % 50));
  run({.prompt = second, .max_tokens = 200, .session = session});
  // Another reply: back to where the second prompt ended.
  std::vector<TokenId> third = second;
  third.insert(third.end(), 50, 9);
  const RequestResult result = run({.prompt = third, .max_tokens = 1, .session = session});
  EXPECT_EQ(result.stats.reused_tokens, 576);
}

TEST_F(EngineWindows, OneThatWaitsForAPrefixFindsItWhenTheOwnerIsPastIt) {
  make(kContext, 2);
  std::vector<TokenId> owner = some_prompt(1, 700);
  std::vector<TokenId> waiter(owner.begin(), owner.begin() + 400);
  waiter.insert(waiter.end(), 40, 9);
  Heard heard[2];
  ASSERT_TRUE(engine_->submit(make_request(owner, 5, heard[0])).ok());
  engine_->step();
  ASSERT_TRUE(engine_->submit(make_request(waiter, 5, heard[1])).ok());
  run_until_idle(*engine_);
  ASSERT_EQ(heard[1].results.size(), 1U);
  EXPECT_EQ(heard[1].results[0].stats.reused_tokens, 384);
}

TEST_F(EngineWindows, ATurnThatIsTakenBackGoesOnWhereItBegan) {
  make(kContext);
  const SessionId session = engine_->open_session().value();
  const std::vector<TokenId> first = some_prompt(1, 100);
  Heard heard;
  ASSERT_TRUE(engine_
                  ->submit([&] {
                    Request request = make_request(first, 150, heard);
                    request.session = session;
                    return request;
                  }())
                  .ok());
  run_until_idle(*engine_);
  std::vector<TokenId> told = first;
  told.insert(told.end(), heard.tokens.begin(), heard.tokens.end());
  std::vector<TokenId> question = told;
  question.insert(question.end(), 300, 9);
  run({.prompt = question, .max_tokens = 50, .session = session});
  std::vector<TokenId> another = told;
  another.insert(another.end(), 20, 8);
  const RequestResult result = run({.prompt = another, .max_tokens = 1, .session = session});
  EXPECT_EQ(result.stats.reused_tokens, 224);  // of 249: the last block end
  EXPECT_EQ(result.stats.match.known_positions, 250);
}

TEST_F(EngineWindows, AFailedAllocationInATurnThatGoesBackFarLeavesAllAsItWas) {
  for_each_failure([&](int64_t n, FailingAllocations which) {
    make(400);
    const SessionId session = engine_->open_session().value();
    const std::vector<TokenId> first = some_prompt(1, 100);
    run({.prompt = first, .max_tokens = 200, .session = session});
    std::vector<TokenId> second = first;
    second.insert(second.end(), 30, 9);
    const auto ask = [&] { return Request{.prompt = second, .max_tokens = 2, .session = session}; };
    Request request = ask();
    const Attempt tried = attempt(n, which, [&] { return engine_->submit(std::move(request)).status(); });
    if (!expect_no_throw(tried)) return tried;
    if (!tried.status.ok()) {
      EXPECT_TRUE(engine_->idle());
      EXPECT_TRUE(engine_->submit(ask()).ok());
    }
    run_until_idle(*engine_);
    EXPECT_TRUE(engine_->cache().check().ok());
    return tried;
  });
}

TEST_F(EngineWindows, TokensTakenBackFarAreComputedAgainFromTheNearestTail) {
  make(kContext);
  Request request{.prompt = some_prompt(1, 200), .picks = Picks::kByCaller};
  const RequestId id = engine_->submit(std::move(request)).value();
  while (!engine_->waits()) engine_->step();
  const std::vector<TokenId> more = some_prompt(2, 600);
  ASSERT_TRUE(engine_->extend(id, more).ok());
  while (!engine_->waits()) engine_->step();
  const int64_t before = engine_->cache().counts().recomputed_positions;
  ASSERT_TRUE(engine_->roll_back(id, 400).ok());
  EXPECT_EQ(engine_->cache().counts().recomputed_positions - before, 399 - 192);  // the prompt's tail
  while (!engine_->waits()) engine_->step();
  engine_->cancel(id);
}

TEST_F(EngineWindows, PenaltiesOfATextWithoutEndCountWhatItsQueriesSee) {
  make(kEndless);
  Request asked{.prompt = some_prompt(1, 40), .max_tokens = 200};
  asked.sampling.repetition_penalty = 1.3;
  asked.sampling.presence_penalty = 0.5;
  Request with_window = asked;
  with_window.sampling.penalty_window = 64;
  Heard heard[2];
  listen(asked, heard[0]);
  listen(with_window, heard[1]);
  for (Request* request : {&asked, &with_window}) {
    request->ignore_end_tokens = true;
    ASSERT_TRUE(engine_->submit(std::move(*request)).ok());
    run_until_idle(*engine_);
  }
  EXPECT_EQ(heard[0].tokens.size(), 200U);
  EXPECT_EQ(heard[0].tokens, heard[1].tokens);
}

TEST_F(EngineWindows, APromptThatIsTooLongMayHaveALargerContext) {
  make(100);
  const auto refused = engine_->submit({.prompt = some_prompt(1, 200)});
  EXPECT_NE(refused.status().message().find("ask for a larger `context`"), std::string::npos);
  EXPECT_EQ(refused.status().message().find("at most"), std::string::npos);
}

}  // namespace
}  // namespace cairn
