// Several samples of one prompt at an EngineThread: they begin at the same place, the prompt is computed once, each says
// what it says alone, and they are taken or refused together.
#include <gtest/gtest.h>

#include <future>
#include <utility>

#include "engine/engine_thread.h"
#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr uint64_t kSeed = 77;
constexpr int64_t kTokens = 30;

struct Said {
  Heard heard;
  std::vector<RequestStats> begun;
  std::vector<std::pair<TokenId, double>> choices;
  std::vector<std::vector<TokenId>> likeliest;
};

// A sample that is drawn, reported with the three likeliest tokens of each row.
Request sample_of(const std::vector<TokenId>& prompt, uint64_t index, Said& said) {
  Request request = make_request(prompt, kTokens, said.heard);
  request.sampling.temperature = 1.0F;
  request.sampling.seed = kSeed;
  request.sampling.sample_index = index;
  request.likeliest_count = 3;
  request.on_begin = [&said](const RequestStats& stats) {
    EXPECT_TRUE(said.heard.logit_positions.empty());
    said.begun.push_back(stats);
  };
  request.on_choice = [&said](const TokenChoice& choice) {
    EXPECT_EQ(said.heard.tokens.size(), said.choices.size()) << "the choice comes before its token";
    EXPECT_EQ(said.heard.logit_positions.size(), said.choices.size() + 1) << "and after its logits";
    said.choices.emplace_back(choice.token, choice.log_probability);
    std::vector<TokenId>& likeliest = said.likeliest.emplace_back();
    for (const TokenProbability& likely : choice.likeliest) likeliest.push_back(likely.token);
  };
  return request;
}

struct Samples {
  Samples(const std::vector<TokenId>& prompt, size_t count) : said(count) {
    first = sample_of(prompt, 0, said[0]);
    for (size_t i = 1; i < count; ++i) forks.push_back(sample_of(prompt, i, said[i]));
  }
  Result<std::vector<EngineThread::Ticket>> send(EngineThread& thread) {
    return thread.submit_with_forks(std::move(first), std::move(forks));
  }

  std::vector<Said> said;
  Request first;
  std::vector<Request> forks;
};

Said alone(const std::vector<TokenId>& prompt, uint64_t index) {
  Said said;
  auto lone = make_fake_engine({.context = 4096, .max_sequences = 1});
  EXPECT_TRUE(lone.engine->submit(sample_of(prompt, index, said)).ok());
  run_until_idle(*lone.engine);
  return said;
}

void expect_same(const Said& said, const Said& expected) {
  ASSERT_EQ(said.heard.results.size(), 1u);
  EXPECT_EQ(said.heard.results[0].reason, FinishReason::kLength) << said.heard.results[0].status.message();
  EXPECT_EQ(said.heard.tokens, expected.heard.tokens);
  EXPECT_EQ(said.heard.text, expected.heard.text);
  EXPECT_EQ(said.heard.logits, expected.heard.logits);
  EXPECT_EQ(said.choices, expected.choices);
  EXPECT_EQ(said.likeliest, expected.likeliest);
}

TEST(EngineThreadSamples, EachSaysWhatItSaysAloneAndThePromptIsComputedOnce) {
  const auto prompt = some_prompt(3, 200);
  RunningThread running;
  Samples samples(prompt, 6);  // two more than there are places
  const auto tickets = samples.send(*running.thread);
  ASSERT_TRUE(tickets.ok()) << tickets.status().message();
  EXPECT_EQ(tickets->size(), 6u);
  running.finish();
  for (size_t i = 0; i < samples.said.size(); ++i) {
    SCOPED_TRACE(i);
    const Said& said = samples.said[i];
    expect_same(said, alone(prompt, i));
    ASSERT_EQ(said.begun.size(), 1u);
    EXPECT_EQ(said.begun[0].prompt_tokens, 200);
    EXPECT_GE(said.begun[0].reused_tokens, i == 0 ? 0 : 192);
    EXPECT_EQ(said.begun[0].reused_tokens, said.heard.results.at(0).stats.reused_tokens);
  }
  EXPECT_EQ(samples.said[0].begun.at(0).reused_tokens, 0);
  EXPECT_NE(samples.said[0].heard.tokens, samples.said[1].heard.tokens);
}

TEST(EngineThreadSamples, AreAllRefusedWhereTheEngineRefusesOne) {
  const auto prompt = some_prompt(3, 50);
  RunningThread running;
  Samples samples(prompt, 4);
  samples.forks[1].likeliest_count = kFakeVocab + 1;
  ASSERT_TRUE(samples.send(*running.thread).ok());
  running.finish();
  for (const Said& said : samples.said) {
    expect_error(said.heard, StatusCode::kInvalidArgument);
    EXPECT_TRUE(said.heard.tokens.empty());
    EXPECT_TRUE(said.begun.empty());
  }
}

TEST(EngineThreadSamples, NeedRoomForAllOfThem) {
  const auto prompt = some_prompt(3, 50);
  RunningThread running({.mailbox_capacity = 1, .max_requests = 4});
  HeldLoop held(*running.thread);
  Samples many(prompt, 5);
  EXPECT_EQ(many.send(*running.thread).status().code(), StatusCode::kResourceExhausted);
  Samples some(prompt, 4);
  ASSERT_TRUE(some.send(*running.thread).ok()) << "one piece of mail";
  held.let_go();
  running.finish();
  for (const Said& said : many.said) EXPECT_TRUE(said.heard.results.empty());
  for (size_t i = 0; i < 4; ++i) expect_same(some.said[i], alone(prompt, i));
}

// In the mailbox the first, and in the engine, before the prompt has been run, another one.
TEST(EngineThreadSamples, TheOthersGoOnWhereSomeAreCancelled) {
  const auto prompt = some_prompt(3, 200);
  RunningThread running;
  Samples samples(prompt, 4);
  std::promise<void> second_begins;
  samples.forks[0].on_begin = [&](const RequestStats&) { second_begins.set_value(); };
  std::vector<EngineThread::Ticket> tickets;
  {
    HeldLoop held(*running.thread);
    tickets = *samples.send(*running.thread);
    running.thread->cancel(tickets[0]);
    held.let_go();
  }
  second_begins.get_future().wait();
  running.thread->cancel(tickets[1]);
  running.finish();
  expect_cancelled(samples.said[0].heard);
  EXPECT_TRUE(samples.said[0].heard.tokens.empty());
  ASSERT_EQ(samples.said[1].heard.results.size(), 1u);
  expect_same(samples.said[2], alone(prompt, 2));
  expect_same(samples.said[3], alone(prompt, 3));
}

TEST(EngineThreadSamples, EndWithAnEngineThatIsStopped) {
  Samples samples(some_prompt(3, 50), 3);
  {
    RunningThread running;
    HeldLoop held(*running.thread);
    ASSERT_TRUE(samples.send(*running.thread).ok());
    held.let_go();
    running.thread->drain(EngineThread::TimePoint::min());
    running.workers.finish();
  }
  for (const Said& said : samples.said) EXPECT_EQ(said.heard.results.size(), 1u);
}

}  // namespace
}  // namespace cairn
