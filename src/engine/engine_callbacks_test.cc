// What callbacks may do: everything but step. A step has committed all its rows before it calls anybody back, so a fork
// from another request's callback goes on from true rows, also in the middle of its parent's prompt.
#include <gtest/gtest.h>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr const char* kPlans[] = {"f16",
                                  "k=int8:channel,v=f32"};  // rows that are final, blocks sealed as a whole

KvPlan plan_of(const char* text) { return *KvPlan::parse(text); }

// A short request in front of a prompt of 240 tokens in chunks of 50: its fourth token comes when the prompt's step has
// crossed a block's end. `act` is called then.
struct Crossing {
  explicit Crossing(const char* plan)
      : fake(make_fake_engine(
            {.kv_plan = plan_of(plan), .context = 512, .max_sequences = 4, .prefill_chunk = 50})) {}

  void run(std::function<void()> act) {
    Request first = make_request(some_prompt(9, 2), 20, short_one);
    first.on_token = [this, act = std::move(act)](TokenId token) {
      short_one.tokens.push_back(token);
      if (short_one.tokens.size() == 4) act();
    };
    EXPECT_TRUE(fake.engine->submit(std::move(first)).ok());
    parent_id = *fake.engine->submit(make_request(prompt, 40, parent));
    run_until_idle(*fake.engine);
  }

  FakeEngine fake;
  std::vector<TokenId> prompt = some_prompt(1, 240);
  Heard short_one;
  Heard parent;
  RequestId parent_id;
};

TEST(Callbacks, AForkOfAnotherRequestInMidPromptHasTrueRows) {
  for (const char* plan : kPlans) {
    SCOPED_TRACE(plan);
    Crossing scene(plan);
    Heard child;
    scene.run(
        [&] { EXPECT_TRUE(scene.fake.engine->fork(scene.parent_id, make_request({}, 40, child)).ok()); });
    expect_oracle(scene.parent, scene.prompt, 40, plan_of(plan));
    expect_oracle(child, scene.prompt, 40, plan_of(plan));
  }
}

// Nor does such a fork leave blocks behind that are wrong.
TEST(Callbacks, ALaterRequestFindsTrueBlocks) {
  for (const char* plan : kPlans) {
    SCOPED_TRACE(plan);
    Crossing scene(plan);
    Heard child;
    scene.run([&] {
      EXPECT_TRUE(scene.fake.engine->fork(scene.parent_id, make_request({}, 2, child)).ok());
      EXPECT_TRUE(scene.fake.engine->cancel(scene.parent_id));
    });
    Heard later;
    ASSERT_TRUE(scene.fake.engine->submit(make_request(scene.prompt, 40, later)).ok());
    run_until_idle(*scene.fake.engine);
    expect_oracle(later, scene.prompt, 40, plan_of(plan));
    EXPECT_EQ(later.results.at(0).stats.reused_tokens, 224);
  }
}

TEST(Callbacks, StepIsRefused) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 2});
  Heard heard;
  Request request = make_request(some_prompt(1, 10), 5, heard);
  int refused = 0;
  request.on_token = [&](TokenId token) {
    heard.tokens.push_back(token);
    refused += engine->step() ? 0 : 1;
  };
  ASSERT_TRUE(engine->submit(std::move(request)).ok());
  while (engine->step()) {
  }
  EXPECT_EQ(refused, 5);
  expect_oracle(heard, some_prompt(1, 10), 5);
  EXPECT_FALSE(engine->step());
}

// Also from the end of a request that a cancel outside any step ends.
TEST(Callbacks, AnEndMayBeginAndEndOthers) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 2});
  Heard first;
  Heard second;
  Heard third;
  Request request = make_request(some_prompt(1, 10), 5, first);
  const RequestId other = *engine->submit(make_request(some_prompt(2, 10), 5, second));
  request.on_finish = [&](const RequestResult& result) {
    first.results.push_back(result);
    EXPECT_TRUE(engine->cancel(other));
    EXPECT_TRUE(engine->submit(make_request(some_prompt(3, 10), 5, third)).ok());
    EXPECT_FALSE(engine->step());
  };
  const RequestId id = *engine->submit(std::move(request));
  EXPECT_TRUE(engine->cancel(id));
  EXPECT_FALSE(engine->cancel(id));
  EXPECT_EQ(first.results.size(), 1U);
  EXPECT_EQ(second.results.size(), 1U);
  run_until_idle(*engine);
  expect_oracle(third, some_prompt(3, 10), 5);
}

// Each end cancels the next one: they end one after the other, not each inside another's end.
TEST(Callbacks, ALongChainOfEndsNeedsNoDeepStack) {
  constexpr int kCount = 50'000;
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 1});
  std::vector<RequestId> ids;
  int ended = 0;
  for (int i = 0; i < kCount; ++i) {
    Request request{.prompt = {5}, .max_tokens = 1};
    request.on_finish = [&](const RequestResult&) {
      if (++ended < kCount) (void)engine->cancel(ids[static_cast<size_t>(ended)]);
    };
    ids.push_back(*engine->submit(std::move(request)));
  }
  EXPECT_TRUE(engine->cancel(ids[0]));
  EXPECT_EQ(ended, kCount);
  EXPECT_TRUE(engine->idle());
}

// What a callback owns may call the engine when it is destroyed, also by the engine's own destructor.
TEST(Callbacks, WhatTheyOwnMayCallWhenItIsDestroyed) {
  struct Caller {
    std::function<void()> call;
    ~Caller() { call(); }
  };
  for (const bool runs : {false, true}) {
    int called = 0;
    {
      auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 2});
      Engine* const e = engine.get();
      Heard heard;
      const RequestId other = *engine->submit(make_request(some_prompt(1, 20), 9, heard));
      auto caller = std::make_shared<Caller>();
      caller->call = [e, other, &called] {
        ++called;
        (void)e->cancel(other);
        (void)e->submit({.prompt = {5}, .max_tokens = 1});
        EXPECT_FALSE(e->step());
      };
      Request request{.prompt = {7}, .max_tokens = 5};
      request.on_token = [caller](TokenId) {};
      ASSERT_TRUE(engine->submit(std::move(request)).ok());
      caller.reset();
      if (runs) run_until_idle(*engine);
    }
    EXPECT_EQ(called, 1);
  }
}

// With the first rows, before all else; also where those come late, or are lost and computed again.
TEST(Callbacks, TheBeginningComesOnceAndKnowsWhatWasFound) {
  auto [engine, pass] = make_fake_engine({.context = 512, .max_sequences = 2, .prefill_chunk = 40});
  const auto prompt = some_prompt(1, 200);
  std::vector<RequestStats> begun;
  const auto request = [&](Heard& heard) {
    Request made = make_request(prompt, 3, heard);
    made.on_begin = [&](const RequestStats& stats) {
      EXPECT_TRUE(heard.logit_positions.empty());
      begun.push_back(stats);
    };
    return made;
  };
  Heard first;
  ASSERT_TRUE(engine->submit(request(first)).ok());
  EXPECT_TRUE(begun.empty());
  checked_step(*engine);
  ASSERT_EQ(begun.size(), 1u) << "in the first of several steps of its prompt";
  EXPECT_EQ(begun[0].prompt_tokens, 200);
  EXPECT_EQ(begun[0].reused_tokens, 0);
  EXPECT_EQ(begun[0].match.end, KvMatchEnd::kNothingKnown);
  run_until_idle(*engine);
  Heard second;
  ASSERT_TRUE(engine->submit(request(second)).ok());
  run_until_idle(*engine);
  ASSERT_EQ(begun.size(), 2u);
  EXPECT_EQ(begun[1].reused_tokens, 192);
  EXPECT_EQ(begun[1].match.end, KvMatchEnd::kComplete);
  expect_oracle(second, prompt, 3);
  EXPECT_EQ(engine->snapshot().counts.reused_tokens, 192);
  EXPECT_EQ(engine->snapshot().counts.prompt_tokens, 400);
}

TEST(Callbacks, ARequestThatNeverRanHasNoBeginning) {
  auto [engine, pass] = make_fake_engine({.context = 512, .max_sequences = 1});
  Heard first;
  Heard second;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 20), 10, first)).ok());
  Request late = make_request(some_prompt(2, 20), 10, second);
  late.on_begin = [](const RequestStats&) { FAIL(); };
  const RequestId id = *engine->submit(std::move(late));
  checked_step(*engine);
  EXPECT_TRUE(engine->cancel(id));
  run_until_idle(*engine);
  EXPECT_EQ(second.results.at(0).reason, FinishReason::kCancelled);
}

TEST(Callbacks, ABeginningMayCancelItsRequest) {
  auto [engine, pass] = make_fake_engine({.context = 512, .max_sequences = 1});
  Heard heard;
  RequestId id;
  Request request = make_request(some_prompt(1, 20), 10, heard);
  request.on_begin = [&](const RequestStats&) { EXPECT_TRUE(engine->cancel(id)); };
  id = *engine->submit(std::move(request));
  run_until_idle(*engine);
  EXPECT_EQ(heard.results.at(0).reason, FinishReason::kCancelled);
  EXPECT_TRUE(heard.logit_positions.empty());
}

}  // namespace
}  // namespace cairn
