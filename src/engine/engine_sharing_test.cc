// Requests that begin alike, forks and parallel samples: rows are computed once, and no token changes.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "engine/samples.h"

namespace cairn {
namespace {

// f16 is written row by row; keys by channel are sealed block by block.
KvPlan plan_of(const char* text) { return KvPlan::parse(text).value(); }

class SharingByPlan : public ::testing::TestWithParam<const char*> {
 protected:
  static KvPlan plan() { return plan_of(GetParam()); }
  static EngineOptions options(int64_t max_sequences = 4) {
    return {.kv_plan = plan(),
            .context = 256,
            .max_sequences = max_sequences,
            .prefill_chunk = 64,
            .score_chunk = 64};
  }
};
INSTANTIATE_TEST_SUITE_P(Plans, SharingByPlan, ::testing::Values("f16", "k=int8:channel,v=f32"),
                         [](const auto& param) { return param.index == 0 ? "ByRow" : "Sealed"; });

int64_t reused(const Heard& heard) { return heard.results.at(0).stats.reused_tokens; }
uint64_t rows_run(const Heard& heard) { return heard.results.at(0).stats.projected_positions; }

TEST_P(SharingByPlan, APrefixIsFoundAfterItsOwnerEnded) {
  for (const int64_t shared : {31, 32, 33, 63, 64, 65, 96, 100}) {
    auto [engine, pass] = make_fake_engine(options());
    Heard first;
    ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 100), 10, first)).ok());
    run_until_idle(*engine);
    const auto prompt = branch_of(1, shared, 5, 110);
    Heard second;
    ASSERT_TRUE(engine->submit(make_request(prompt, 20, second)).ok());
    run_until_idle(*engine);
    expect_oracle(second, prompt, 20, plan());
    EXPECT_EQ(reused(second), shared / 32 * 32) << shared;
    EXPECT_EQ(rows_run(second), static_cast<uint64_t>(110 + 19 - reused(second)));
  }
}

// The last token always runs: its logits are wanted.
TEST_P(SharingByPlan, AHitNeverCoversTheLastToken) {
  for (const int64_t length : {1, 31, 32, 33, 64, 65}) {
    auto [engine, pass] = make_fake_engine(options());
    for (int time = 0; time < 2; ++time) {
      Heard heard;
      ASSERT_TRUE(engine->submit(make_request(some_prompt(2, length), 3, heard)).ok());
      run_until_idle(*engine);
      expect_oracle(heard, some_prompt(2, length), 3, plan());
      EXPECT_EQ(reused(heard), time == 0 ? 0 : (length - 1) / 32 * 32);
    }
  }
}

TEST_P(SharingByPlan, GeneratedTokensAreFoundTooAndATurnWithoutASessionContinues) {
  auto [engine, pass] = make_fake_engine(options());
  auto text = some_prompt(3, 50);
  for (const int64_t found : {0, 64, 128}) {
    Heard heard;
    ASSERT_TRUE(engine->submit(make_request(text, 40, heard)).ok());
    run_until_idle(*engine);
    expect_oracle(heard, text, 40, plan());
    EXPECT_EQ(reused(heard), found);
    text.insert(text.end(), heard.tokens.begin(), heard.tokens.end());
    text.resize(text.size() + 25, 9);
  }
}

TEST_P(SharingByPlan, APrefixIsFoundWhileItsOwnerRuns) {
  auto [engine, pass] = make_fake_engine(options());
  Heard first;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 100), 60, first)).ok());
  for (int i = 0; i < 20; ++i) checked_step(*engine);
  EXPECT_FALSE(first.tokens.empty());
  EXPECT_TRUE(first.results.empty());
  Heard second;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 100), 60, second)).ok());
  run_until_idle(*engine);
  expect_oracle(first, some_prompt(1, 100), 60, plan());
  expect_oracle(second, some_prompt(1, 100), 60, plan());
  EXPECT_EQ(reused(second), 96);
}

TEST_P(SharingByPlan, OfTwoThatComeAtOnceTheSecondWaitsAndFindsTheBeginning) {
  auto [engine, pass] = make_fake_engine(options());
  std::vector<Heard> heard(3);
  const auto other = branch_of(1, 70, 4, 120);
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 120), 10, heard[0])).ok());
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 120), 10, heard[1])).ok());
  ASSERT_TRUE(engine->submit(make_request(other, 10, heard[2])).ok());
  int64_t rows = 0;
  pass->on_forward = [&](const Batch& batch) { rows += std::ssize(batch.tokens); };
  run_until_idle(*engine);
  expect_oracle(heard[0], some_prompt(1, 120), 10, plan());
  expect_oracle(heard[1], some_prompt(1, 120), 10, plan());
  expect_oracle(heard[2], other, 10, plan());
  EXPECT_EQ(reused(heard[1]), 96);
  EXPECT_EQ(reused(heard[2]), 64);
  EXPECT_EQ(rows, 3 * 129 - 96 - 64);
  EXPECT_EQ(engine->cache().counts().matched_positions, 96 + 64);
}

TEST_P(SharingByPlan, AnotherSaltFindsNothing) {
  auto [engine, pass] = make_fake_engine(options());
  const std::string salts[] = {"", "tenant a", "tenant b", "tenant a"};
  std::vector<Heard> heard(4);
  for (size_t i = 0; i < 4; ++i) {
    Request request = make_request(some_prompt(1, 100), 5, heard[i]);
    request.salt = salts[i];
    ASSERT_TRUE(engine->submit(request).ok());
    if (i < 2) run_until_idle(*engine);
  }
  run_until_idle(*engine);
  for (size_t i = 0; i < 4; ++i) {
    expect_oracle(heard[i], some_prompt(1, 100), 5, plan());
    EXPECT_EQ(reused(heard[i]), i == 3 ? 96 : 0) << salts[i];
  }
}

TEST_P(SharingByPlan, WithoutSharingNothingIsFound) {
  EngineOptions alone = options();
  alone.sharing = PrefixSharing::kOff;
  auto [engine, pass] = make_fake_engine(alone);
  std::vector<Heard> heard(2);
  for (Heard& h : heard) ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 100), 5, h)).ok());
  run_until_idle(*engine);
  for (const Heard& h : heard) {
    expect_oracle(h, some_prompt(1, 100), 5, plan());
    EXPECT_EQ(reused(h), 0);
  }
}

TEST_P(SharingByPlan, ScoringTellsEveryPositionWhateverTheCacheHolds) {
  auto [engine, pass] = make_fake_engine(options());
  const auto prompt = some_prompt(1, 100);
  for (const LogitsWanted wanted :
       {LogitsWanted::kEveryPosition, LogitsWanted::kEveryPosition, LogitsWanted::kEveryNewPosition}) {
    Heard heard;
    Request request = make_request(prompt, 2, heard);
    request.logits_wanted = wanted;
    const bool is_warm = wanted == LogitsWanted::kEveryNewPosition;
    ASSERT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    const int64_t first = is_warm ? 96 : 0;
    EXPECT_EQ(reused(heard), first);
    ASSERT_EQ(std::ssize(heard.logits), 101 - first);
    for (int64_t p = first; p < 100; ++p) {
      EXPECT_EQ(heard.logit_positions[static_cast<size_t>(p - first)], p);
      ASSERT_EQ(heard.logits[static_cast<size_t>(p - first)],
                oracle_logits(std::span(prompt).first(static_cast<size_t>(p + 1)), plan()))
          << p;
    }
  }
}

TEST_P(SharingByPlan, ASessionAndTheTreeGoTogether) {
  auto [engine, pass] = make_fake_engine(options());
  Heard outside;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 100), 5, outside)).ok());
  run_until_idle(*engine);
  const SessionId session = *engine->open_session();
  const auto turn = [&, e = engine.get()](const std::vector<TokenId>& prompt, int64_t found,
                                          int64_t kept_rows) {
    Heard heard;
    Request request = make_request(prompt, 8, heard);
    request.session = session;
    ASSERT_TRUE(e->submit(request).ok());
    run_until_idle(*e);
    expect_oracle(heard, prompt, 8, plan());
    EXPECT_EQ(reused(heard), found);
    EXPECT_EQ(rows_run(heard), static_cast<uint64_t>(std::ssize(prompt) + 7 - kept_rows));
  };
  const bool seals = std::string_view(GetParam()) != "f16";
  turn(branch_of(1, 70, 6, 110), 64, 64);  // the tree's
  // The session's, cut in the middle of a sealed block: those rows stay where each is in its final form.
  turn(branch_of(1, 70, 7, 105), seals ? 64 : 70, seals ? 64 : 70);
  engine->close_session(session);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

TEST(Sharing, ASessionsRowsServeOneTenantOnly) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 2});
  const SessionId session = *engine->open_session();
  for (const auto& [salt, found] :
       {std::pair<const char*, int64_t>{"a", 0}, {"a", 99}, {"b", 0}, {"b", 99}}) {
    Heard heard;
    Request request = make_request(some_prompt(1, 100), 4, heard);
    request.session = session;
    request.salt = salt;
    ASSERT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    expect_oracle(heard, some_prompt(1, 100), 4);
    EXPECT_EQ(reused(heard), found) << salt;
  }
}

// --- forks ---

TEST_P(SharingByPlan, AGreedyForkGoesOnAsItsParent) {
  for (const int64_t steps : {1, 2, 3, 29, 30, 31, 40}) {
    auto [engine, pass] = make_fake_engine(options());
    const auto prompt = some_prompt(1, 35);
    Heard parent;
    const RequestId id = *engine->submit(make_request(prompt, 60, parent));
    for (int64_t i = 0; i < steps; ++i) checked_step(*engine);
    const int64_t behind = std::ssize(parent.tokens);
    Heard child;
    ASSERT_TRUE(engine->fork(id, make_request({}, 60 - behind, child)).ok());
    ASSERT_TRUE(engine->cache().check().ok()) << engine->cache().check().message();
    run_until_idle(*engine);
    expect_oracle(parent, prompt, 60, plan());
    const std::vector<TokenId> rest(parent.tokens.begin() + behind, parent.tokens.end());
    EXPECT_EQ(child.tokens, rest) << steps;
    EXPECT_GE(reused(child), (35 + behind - 1) / 32 * 32);
    EXPECT_EQ(engine->cache().used_bytes(), 0u);
  }
}

// The open block is copied: what the one writes, the other does not see.
TEST_P(SharingByPlan, ForksGoTheirOwnWays) {
  auto [engine, pass] = make_fake_engine(options(8));
  const auto prompt = some_prompt(1, 35);
  Heard parent;
  const RequestId id = *engine->submit(make_request(prompt, 80, parent));
  std::vector<Heard> heard(7);
  std::vector<std::vector<TokenId>> texts;
  for (size_t i = 0; i < heard.size(); ++i) {
    for (int step = 0; step < 9; ++step) checked_step(*engine);
    texts.push_back(prompt);
    texts.back().insert(texts.back().end(), parent.tokens.begin(), parent.tokens.end());
    const auto suffix = some_prompt(50 + i, static_cast<int64_t>(i % 3));
    texts.back().insert(texts.back().end(), suffix.begin(), suffix.end());
    Request request = make_request(suffix, 40, heard[i]);
    request.sampling.logit_bias = {{static_cast<TokenId>(7 + i), 100.0F}};  // so that each differs at once
    ASSERT_TRUE(engine->fork(id, std::move(request)).ok());
  }
  run_until_idle(*engine);
  expect_oracle(parent, prompt, 80, plan());
  for (size_t i = 0; i < heard.size(); ++i) {
    auto text = texts[i];
    EXPECT_EQ(heard[i].tokens, std::vector<TokenId>(40, static_cast<TokenId>(7 + i)));
    for (size_t k = 0; k < heard[i].logits.size(); ++k) {
      ASSERT_EQ(heard[i].logits[k], oracle_logits(text, plan())) << i << ", token " << k;
      text.push_back(heard[i].tokens[k]);
    }
  }
}

std::vector<std::vector<TokenId>> sampled_forks(uint64_t others) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 8, .prefill_chunk = 16});
  std::vector<Heard> noise(others);
  for (size_t i = 0; i < noise.size(); ++i) {
    EXPECT_TRUE(engine->submit(make_request(some_prompt(90 + i, 40), 50, noise[i])).ok());
  }
  std::vector<Heard> heard(4);
  std::vector<Request> samples;
  for (size_t i = 0; i < heard.size(); ++i) {
    samples.push_back(make_request(some_prompt(1, 70), 30, heard[i]));
    samples.back().sampling = {.temperature = 2, .seed = 11, .sample_index = i};
  }
  EXPECT_TRUE(submit_samples(*engine, std::move(samples)).ok());
  run_until_idle(*engine);
  std::vector<std::vector<TokenId>> tokens;
  for (const Heard& h : heard) {
    EXPECT_EQ(h.results.at(0).reason, FinishReason::kLength);
    tokens.push_back(h.tokens);
  }
  return tokens;
}

TEST(Sharing, SampledForksDifferAndAreReproducible) {
  const auto tokens = sampled_forks(0);
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i].size(), 30u);
    for (size_t j = 0; j < i; ++j) EXPECT_NE(tokens[i], tokens[j]);
  }
  EXPECT_EQ(sampled_forks(0), tokens);
  EXPECT_EQ(sampled_forks(3), tokens);
}

TEST_P(SharingByPlan, AForkMayComeBeforeItsParentRan) {
  auto [engine, pass] = make_fake_engine(options());
  Heard parent;
  Heard child;
  const RequestId id = *engine->submit(make_request(some_prompt(1, 70), 10, parent));
  ASSERT_TRUE(engine->fork(id, make_request({8, 9}, 10, child)).ok());
  run_until_idle(*engine);
  auto text = some_prompt(1, 70);
  expect_oracle(parent, text, 10, plan());
  text.push_back(8);
  text.push_back(9);
  expect_oracle(child, text, 10, plan());
  EXPECT_EQ(reused(child), 70);  // it waited for all of the parent's prompt
  Heard late;
  EXPECT_EQ(engine->fork(id, make_request({}, 10, late)).status().code(), StatusCode::kNotFound);
}

TEST_P(SharingByPlan, AForkWithoutRoomComesLater) {
  EngineOptions small = options();
  small.pool_bytes = fake_blocks(3, plan());  // two for the parent; for both, one more and the child's third
  auto [engine, pass] = make_fake_engine(small);
  std::vector<Heard> heard(3);
  const auto prompt = some_prompt(1, 40);
  const RequestId id = *engine->submit(make_request(prompt, 20, heard[0]));
  for (int i = 0; i < 5; ++i) checked_step(*engine);
  ASSERT_TRUE(engine->fork(id, make_request({}, 15, heard[1])).ok());
  ASSERT_TRUE(engine->fork(id, make_request({}, 15, heard[2])).ok());  // nothing is left
  const std::vector<TokenId> so_far = heard[0].tokens;
  run_until_idle(*engine);
  auto text = prompt;
  text.insert(text.end(), so_far.begin(), so_far.end());
  expect_oracle(heard[0], prompt, 20, plan());
  expect_oracle(heard[1], text, 15, plan());
  expect_oracle(heard[2], text, 15, plan());
}

TEST(Sharing, ForksAreRefusedInWords) {
  auto [engine, pass] = make_fake_engine({.context = 64, .max_sequences = 2});
  Heard heard;
  const RequestId id = *engine->submit(make_request(some_prompt(1, 60), 5, heard));
  engine->step();
  EXPECT_EQ(engine->fork(RequestId{999}, {}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(engine->fork(id, {.session = *engine->open_session()}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->fork(id, {.prompt = some_prompt(2, 4)}).status().message(),
            "the prompt has 65 tokens, but the context holds 64: shorten it, or ask for a larger `context`");
  EXPECT_EQ(engine->fork(id, {.prompt = {300}}).status().code(), StatusCode::kInvalidArgument);
  run_until_idle(*engine);
}

// Prompt of 100: three sealed blocks once, and for each sample the open one.
TEST(Sharing, ParallelSamplesShareAllButTheOpenBlock) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 8});
  std::vector<Heard> heard(8);
  std::vector<Request> samples;
  for (size_t i = 0; i < heard.size(); ++i) {
    samples.push_back(make_request(some_prompt(1, 100), 60, heard[i]));
    samples.back().sampling = {.temperature = 2, .seed = 5, .sample_index = i};
  }
  ASSERT_TRUE(submit_samples(*engine, std::move(samples)).ok());
  checked_step(*engine);
  EXPECT_EQ(engine->cache().used_bytes(), fake_blocks(3 + 8));
  for (int i = 0; i < 20; ++i) checked_step(*engine);
  EXPECT_EQ(engine->cache().used_bytes(), fake_blocks(3 + 8));
  for (int i = 0; i < 20; ++i) checked_step(*engine);  // each sealed its own fourth block
  EXPECT_EQ(engine->cache().used_bytes(), fake_blocks(3 + 2 * 8));
  EXPECT_EQ(engine->cache().counts().held_blocks, 3 + 8);
  run_until_idle(*engine);
  for (const Heard& h : heard) EXPECT_EQ(h.tokens.size(), 60u);
  EXPECT_EQ(rows_run(heard[0]), 159u);
  for (size_t i = 1; i < 8; ++i) EXPECT_EQ(rows_run(heard[i]), 60u);  // the prompt's last row, and its own
}

// 32 users of one system prompt: the bytes of one prefix and 32 tails.
TEST(Sharing, ManyWithOnePrefixTakeTheMemoryOfOne) {
  auto [engine, pass] = make_fake_engine({.context = 512, .max_sequences = 32});
  std::vector<Heard> heard(32);
  for (size_t i = 0; i < heard.size(); ++i) {
    ASSERT_TRUE(engine->submit(make_request(branch_of(1, 320, i, 330), 10, heard[i])).ok());
  }
  while (std::ranges::any_of(heard, [](const Heard& h) { return h.tokens.empty(); })) checked_step(*engine);
  EXPECT_EQ(engine->cache().used_bytes(), fake_blocks(10 + 32));
  run_until_idle(*engine);
  for (size_t i = 0; i < heard.size(); ++i) {
    EXPECT_EQ(heard[i].tokens, oracle_tokens(branch_of(1, 320, i, 330), 10));
    EXPECT_EQ(reused(heard[i]), i == 0 ? 0 : 320);
  }
}

// --- memory ---

TEST_P(SharingByPlan, PreemptionAmongSharersChangesNoToken) {
  for (const int64_t pool : {5, 6, 7, 9, 12}) {
    EngineOptions small = options();
    small.prefill_chunk = 20;
    small.pool_bytes = fake_blocks(pool, plan());
    auto [engine, pass] = make_fake_engine(small);
    std::vector<Heard> heard(6);
    for (size_t i = 0; i < heard.size(); ++i) {
      ASSERT_TRUE(
          engine->submit(make_request(branch_of(1, 33 + 5 * static_cast<int64_t>(i), i, 70), 60, heard[i]))
              .ok());
    }
    run_until_idle(*engine);
    int64_t preemptions = 0;
    for (size_t i = 0; i < heard.size(); ++i) {
      expect_oracle(heard[i], branch_of(1, 33 + 5 * static_cast<int64_t>(i), i, 70), 60, plan());
      preemptions += heard[i].results[0].stats.preemptions;
    }
    if (pool < 9) {
      EXPECT_GT(preemptions, 0) << pool;
    }
  }
}

TEST_P(SharingByPlan, WhatLiesIdleGivesWayToWhatRuns) {
  EngineOptions small = options(1);
  small.pool_bytes = fake_blocks(4, plan());
  auto [engine, pass] = make_fake_engine(small);
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Heard heard;
    ASSERT_TRUE(engine->submit(make_request(some_prompt(seed % 3, 100), 20, heard)).ok());
    run_until_idle(*engine);
    expect_oracle(heard, some_prompt(seed % 3, 100), 20, plan());
    EXPECT_EQ(engine->cache().used_bytes(), 0u);
  }
  EXPECT_GT(engine->cache().counts().evicted_blocks, 0);
}

}  // namespace
}  // namespace cairn
