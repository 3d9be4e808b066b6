// The engine over a pass whose tokens are foretold by an oracle that knows of no cache (fake_pass_testing.h).
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/allocation_count_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

class EveryHolding : public ::testing::TestWithParam<KvStorageKind> {
 protected:
  static EngineOptions options(int64_t context = 256, int64_t max_sequences = 1) {
    return {.storage = GetParam(), .context = context, .max_sequences = max_sequences, .score_chunk = 256};
  }
};

INSTANTIATE_TEST_SUITE_P(Holdings, EveryHolding,
                         ::testing::Values(KvStorageKind::kNone, KvStorageKind::kGrowing,
                                           KvStorageKind::kContiguous, KvStorageKind::kPaged),
                         [](const auto& param) { return std::string(kv_storage_kind_name(param.param)); });

TEST_P(EveryHolding, GeneratesWhatTheOracleSaysHoweverPromptsAreCut) {
  const auto prompt = some_prompt(1, 100);
  for (const int64_t chunk : {1, 7, 32, 33, 64, 512}) {
    EngineOptions with_chunk = options();
    with_chunk.prefill_chunk = chunk;
    auto [engine, pass] = make_fake_engine(with_chunk);
    Heard heard;
    ASSERT_TRUE(engine->submit(make_request(prompt, 60, heard)).ok());
    run_until_idle(*engine);
    expect_oracle(heard, prompt, 60);
    EXPECT_EQ(engine->cache().used_bytes(), 0u);
  }
}

TEST_P(EveryHolding, GeneratesTheSameAloneAndInABatchOfEight) {
  auto [engine, pass] = make_fake_engine(options(256, 8));
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Heard> heard(12);  // more than may run at once
  for (size_t i = 0; i < heard.size(); ++i) {
    prompts.push_back(some_prompt(i, 1 + static_cast<int64_t>(i) * 9));
    ASSERT_TRUE(engine->submit(make_request(prompts.back(), 40, heard[i])).ok());
  }
  run_until_idle(*engine);
  for (size_t i = 0; i < heard.size(); ++i) expect_oracle(heard[i], prompts[i], 40);
}

TEST_P(EveryHolding, FillsTheContextToItsLastPosition) {
  auto [engine, pass] = make_fake_engine(options(70));
  const auto prompt = some_prompt(4, 70);
  Heard full;
  Request request = make_request(prompt, 10, full);
  request.max_tokens.reset();
  ASSERT_TRUE(engine->submit(request).ok());
  run_until_idle(*engine);
  // A full context still predicts one token.
  expect_oracle(full, prompt, 1, KvPlan(), FinishReason::kContextFull);

  Heard short_prompt;
  Request rest = make_request({5, 6}, 0, short_prompt);
  rest.max_tokens.reset();
  ASSERT_TRUE(engine->submit(rest).ok());
  run_until_idle(*engine);
  expect_oracle(short_prompt, {5, 6}, 69, KvPlan(), FinishReason::kContextFull);

  for (const auto& [asked, reason] :
       {std::pair(69, FinishReason::kLength), {70, FinishReason::kContextFull}}) {
    Heard heard;
    ASSERT_TRUE(engine->submit(make_request({5, 6}, asked, heard)).ok());
    run_until_idle(*engine);
    expect_oracle(heard, {5, 6}, 69, KvPlan(), reason);
  }
}

TEST_P(EveryHolding, TellsTheLogitsOfEachSampledStep) {
  auto [engine, pass] = make_fake_engine(options());
  const auto prompt = some_prompt(2, 50);
  Heard heard;
  ASSERT_TRUE(engine->submit(make_request(prompt, 5, heard)).ok());
  run_until_idle(*engine);
  EXPECT_EQ(heard.logit_positions, (std::vector<int64_t>{49, 50, 51, 52, 53}));
  auto text = prompt;
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(heard.logits[i], oracle_logits(text));
    text.push_back(heard.tokens[i]);
  }
}

TEST_P(EveryHolding, ScoresEveryPositionOfAText) {
  EngineOptions scoring = options();
  if (GetParam() != KvStorageKind::kNone) scoring.score_chunk = 9;
  auto [engine, pass] = make_fake_engine(scoring);
  const auto prompt = some_prompt(3, 100);
  Heard heard;
  Request request = make_request(prompt, 3, heard);
  request.logits_wanted = LogitsWanted::kEveryPosition;
  ASSERT_TRUE(engine->submit(request).ok());
  run_until_idle(*engine);
  expect_oracle(heard, prompt, 3);
  auto text = prompt;
  text.insert(text.end(), heard.tokens.begin(), heard.tokens.end());
  ASSERT_EQ(heard.logits.size(), 102u);  // each position once, without a cache too
  for (size_t p = 0; p < heard.logits.size(); ++p) {
    EXPECT_EQ(heard.logit_positions[p], static_cast<int64_t>(p));
    ASSERT_EQ(heard.logits[p], oracle_logits(std::span(text).first(p + 1))) << p;
  }
}

TEST_P(EveryHolding, FollowsForcedTokens) {
  auto [engine, pass] = make_fake_engine(options());
  Heard heard;
  Request request = make_request({9}, 4, heard);
  request.forced_tokens = {2, 7};  // 2 ends replies, but not when it is forced
  request.ignore_end_tokens = false;
  ASSERT_TRUE(engine->submit(request).ok());
  run_until_idle(*engine);
  const auto rest = oracle_tokens({9, 2, 7}, 2);
  EXPECT_EQ(heard.tokens, (std::vector<TokenId>{2, 7, rest[0], rest[1]}));
  EXPECT_EQ(heard.logits[1], oracle_logits(std::vector<TokenId>{9, 2}));
}

// Prompt n, m tokens: n + m - 1 rows with a cache, m*n + m*(m-1)/2 without; scores likewise.
TEST_P(EveryHolding, CountsRowsAndScoresByTheFormulas) {
  for (const auto& [n, m] : {std::pair<int64_t, int64_t>{5, 3}, {1, 40}, {33, 64}}) {
    auto [engine, pass] = make_fake_engine(options());
    Heard heard;
    ASSERT_TRUE(engine->submit(make_request(some_prompt(6, n), m, heard)).ok());
    run_until_idle(*engine);
    const RequestStats& stats = heard.results.at(0).stats;
    uint64_t rows = 0;
    uint64_t scores = 0;
    uint64_t windowed = 0;  // the second layer sees 10 positions
    const bool cached = GetParam() != KvStorageKind::kNone;
    for (int64_t step = 0; step < m; ++step) {
      const int64_t begin = cached && step > 0 ? n + step - 1 : 0;
      for (int64_t t = begin; t < n + step; ++t) {
        ++rows;
        scores += static_cast<uint64_t>(t + 1);
        windowed += static_cast<uint64_t>(std::min<int64_t>(10, t + 1));
      }
    }
    EXPECT_EQ(stats.projected_positions, rows);
    EXPECT_EQ(stats.projected_positions, static_cast<uint64_t>(cached ? n + m - 1 : m * n + m * (m - 1) / 2));
    EXPECT_EQ(stats.scores_by_layer, (std::vector<uint64_t>{scores, windowed}));
    EXPECT_EQ(stats.prompt_tokens, n);
    EXPECT_EQ(stats.generated_tokens, m);
  }
}

TEST_P(EveryHolding, StatsGrowWhileARequestRuns) {
  auto [made, pass] = make_fake_engine(options());
  Engine& engine = *made;
  Heard heard;
  Request request = make_request(some_prompt(1, 5), 3, heard);
  RequestId id;
  std::vector<uint64_t> rows;
  request.on_token = [&](TokenId) { rows.push_back(engine.stats(id)->projected_positions); };
  id = *engine.submit(request);
  EXPECT_EQ(engine.stats(id)->projected_positions, 0u);
  run_until_idle(engine);
  EXPECT_EQ(rows, engine.cache().keeps_rows() ? (std::vector<uint64_t>{5, 6, 7})
                                              : (std::vector<uint64_t>{5, 11, 18}));
  EXPECT_EQ(engine.stats(id), nullptr);
}

TEST_P(EveryHolding, ContinuesAConversation) {
  auto [engine, pass] = make_fake_engine(options());
  const SessionId session = *engine->open_session();
  auto text = some_prompt(8, 40);
  int64_t held = 0;
  for (int turn = 0; turn < 3; ++turn) {
    Heard heard;
    Request request = make_request(text, 10, heard);
    request.session = session;
    ASSERT_TRUE(engine->submit(request).ok());
    EXPECT_EQ(engine->submit(request).status().code(), StatusCode::kInvalidArgument);  // busy
    run_until_idle(*engine);
    expect_oracle(heard, text, 10);
    EXPECT_EQ(heard.results[0].stats.reused_tokens, held);
    text.insert(text.end(), heard.tokens.begin(), heard.tokens.end());
    if (engine->cache().keeps_rows()) held = static_cast<int64_t>(text.size()) - 1;
    text.push_back(17);
  }
  // Another beginning: only what agrees is reused, and the same prompt again still runs its last token.
  for (int again = 0; again < 2; ++again) {
    text.resize(25);
    if (again == 0) text.push_back(text[0] + 1);
    if (again == 1) text.push_back(oracle_tokens(text, 1)[0]);
    Heard heard;
    Request request = make_request(text, 0, heard);
    request.session = session;
    ASSERT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    EXPECT_EQ(heard.results[0].stats.reused_tokens, engine->cache().keeps_rows() ? 25 : 0);
  }
  engine->close_session(session);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

TEST_P(EveryHolding, CancelsAtOnceAndEndsOnce) {
  auto [engine, pass] = make_fake_engine(options(256, 2));
  std::vector<Heard> heard(3);
  std::vector<RequestId> ids;
  for (Heard& h : heard) ids.push_back(*engine->submit(make_request(some_prompt(1, 30), 50, h)));
  for (int i = 0; i < 5; ++i) engine->step();
  ASSERT_EQ(heard[0].tokens.size(), 5u);
  EXPECT_TRUE(engine->cancel(ids[0]));  // runs
  EXPECT_TRUE(engine->cancel(ids[2]));  // waits
  ASSERT_EQ(heard[0].results.size(), 1u);
  ASSERT_EQ(heard[2].results.size(), 1u);
  EXPECT_EQ(heard[0].results[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(heard[0].tokens.size(), 5u);
  EXPECT_FALSE(engine->cancel(ids[0]));
  run_until_idle(*engine);
  expect_oracle(heard[1], some_prompt(1, 30), 50);
  EXPECT_EQ(heard[0].results.size(), 1u);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

TEST_P(EveryHolding, CallbacksMayCancelAndSubmit) {
  auto [made, pass] = make_fake_engine(options(256, 2));
  Engine& engine = *made;
  Heard first;
  Heard second;
  Heard third;
  Request request = make_request(some_prompt(1, 20), 50, first);
  RequestId first_id;
  RequestId second_id;
  request.on_token = [&](TokenId token) {
    first.tokens.push_back(token);
    if (first.tokens.size() == 3) {
      engine.cancel(second_id);
      engine.cancel(first_id);
    }
  };
  request.on_finish = [&](const RequestResult& result) {
    first.results.push_back(result);
    ASSERT_TRUE(engine.submit(make_request(some_prompt(3, 5), 4, third)).ok());
  };
  first_id = *engine.submit(request);
  second_id = *engine.submit(make_request(some_prompt(2, 20), 50, second));
  for (int i = 0; i < 3; ++i) engine.step();
  ASSERT_EQ(first.results.size(), 1u);
  ASSERT_EQ(second.results.size(), 1u);
  EXPECT_EQ(first.tokens.size(), 3u);
  EXPECT_EQ(second.tokens.size(), 2u);  // its third was computed, but nobody wanted it any more
  run_until_idle(engine);
  expect_oracle(third, some_prompt(3, 5), 4);
}

TEST_P(EveryHolding, EndsWithAClearErrorOnLogitsThatAreNoNumbers) {
  auto [engine, pass] = make_fake_engine(options());
  pass->poisoned = true;
  Heard heard;
  ASSERT_TRUE(engine->submit(make_request({5}, 5, heard)).ok());
  run_until_idle(*engine);
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kError);
  EXPECT_EQ(heard.results[0].status.code(), StatusCode::kInvalidData);
}

std::string text_of(const std::string& forced, std::vector<std::string> stops, FinishReason expected) {
  auto [engine, pass] = make_fake_engine({.context = 256});
  Heard heard;
  Request request = make_request({1}, static_cast<int64_t>(forced.size()), heard);
  request.forced_tokens = bytes_of(forced);
  request.stop_strings = std::move(stops);
  EXPECT_TRUE(engine->submit(request).ok());
  run_until_idle(*engine);
  EXPECT_EQ(heard.results.at(0).reason, expected);
  return heard.text;
}

TEST(Engine, StopsAtAStopStringAndTellsNoPartOfIt) {
  EXPECT_EQ(text_of("one two END three", {"END"}, FinishReason::kStopString), "one two ");
  EXPECT_EQ(text_of("one two EN", {"END"}, FinishReason::kLength), "one two EN");
  EXPECT_EQ(text_of("gr\xC3\xBC\xC3\x9F dich", {"\xC3\x9F"}, FinishReason::kStopString), "gr\xC3\xBC");
  EXPECT_EQ(text_of("half \xC3", {}, FinishReason::kLength), "half \xEF\xBF\xBD");
}

// Its text is not shown, but a stop string may be it, alone or with text beside it.
TEST(Engine, StopsAtTheNameOfASpecialToken) {
  for (const std::string stop : {"<s>", "b<s>", "<s>c"}) {
    auto [engine, pass] = make_fake_engine({.context = 256});
    Heard heard;
    Request request = make_request({1}, 4, heard);
    request.forced_tokens = bytes_of("ab?c");
    request.forced_tokens[2] = 1;  // <s>
    request.stop_strings = {stop};
    EXPECT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    EXPECT_EQ(heard.results.at(0).reason, FinishReason::kStopString) << stop;
    EXPECT_EQ(heard.text, stop == "b<s>" ? "a" : "ab") << stop;
  }
}

TEST(Engine, EndTokensEndUnlessIgnored) {
  const auto prompt = some_prompt(1, 5);
  const auto expected = oracle_tokens(prompt, 6);
  for (const bool ignored : {false, true}) {
    auto [engine, pass] = make_fake_engine({.context = 64});
    Heard heard;
    Request request = make_request(prompt, 6, heard);
    request.end_tokens = {expected[3]};
    request.ignore_end_tokens = ignored;
    ASSERT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    const RequestResult& result = heard.results.at(0);
    EXPECT_EQ(result.reason, ignored ? FinishReason::kLength : FinishReason::kEndToken);
    EXPECT_EQ(heard.tokens.size(), ignored ? 6u : 3u);
    EXPECT_EQ(heard.logits.size(), ignored ? 6u : 4u);  // the end token was sampled as well
    EXPECT_EQ(result.end_token, ignored ? std::nullopt : std::optional(expected[3]));
  }
  auto [engine, pass] = make_fake_engine({.context = 64});
  Heard heard;
  Request request = make_request(prompt, 6, heard);
  request.ignore_end_tokens = false;
  request.sampling.logit_bias = {{2, 1000.0F}};  // the model's own end token
  ASSERT_TRUE(engine->submit(request).ok());
  run_until_idle(*engine);
  EXPECT_EQ(heard.results.at(0).end_token, 2);
}

TEST(Engine, SamplesTheSameAloneAndBesideOthers) {
  const auto sampled = [](int64_t others, uint64_t seed) {
    auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 4, .prefill_chunk = 16});
    std::vector<Heard> noise(static_cast<size_t>(others));
    for (Heard& heard : noise) {
      EXPECT_TRUE(engine->submit(make_request(some_prompt(9, 50), 30, heard)).ok());
    }
    Heard heard;
    Request request = make_request(some_prompt(1, 33), 40, heard);
    request.sampling = {.temperature = 2, .top_p = 0.9, .frequency_penalty = 0.3, .seed = seed};
    EXPECT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    return heard.tokens;
  };
  EXPECT_EQ(sampled(0, 1), sampled(3, 1));
  EXPECT_EQ(sampled(0, 1), sampled(7, 1));
  EXPECT_NE(sampled(0, 1), sampled(0, 2));
}

TEST(Engine, PreemptsWhereMemoryIsShortAndChangesNoToken) {
  for (const KvStorageKind holding : {KvStorageKind::kPaged, KvStorageKind::kGrowing}) {
    for (const int64_t pool : {4, 5, 7, 9, 12}) {
      auto [engine, pass] = make_fake_engine({.storage = holding,
                                              .context = 128,
                                              .max_sequences = 4,
                                              .prefill_chunk = 20,
                                              .pool_bytes = fake_blocks(pool)});
      std::vector<Heard> heard(6);
      for (size_t i = 0; i < heard.size(); ++i) {
        ASSERT_TRUE(engine->submit(make_request(some_prompt(i, 30), 60, heard[i])).ok());
      }
      run_until_idle(*engine);
      int64_t preemptions = 0;
      for (size_t i = 0; i < heard.size(); ++i) {
        expect_oracle(heard[i], some_prompt(i, 30), 60);
        preemptions += heard[i].results[0].stats.preemptions;
      }
      if (pool < 9) EXPECT_GT(preemptions, 0) << pool;
      if (pool == 12) EXPECT_EQ(preemptions, 0);
    }
  }
}

TEST(Engine, PreemptedRequestsTellNoLogitsTwice) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 2, .pool_bytes = fake_blocks(4)});
  std::vector<Heard> heard(2);
  for (size_t i = 0; i < 2; ++i) {
    Request request = make_request(some_prompt(i, 30), 60, heard[i]);
    request.logits_wanted = LogitsWanted::kEveryPosition;
    ASSERT_TRUE(engine->submit(request).ok());
  }
  run_until_idle(*engine);
  EXPECT_GT(heard[1].results.at(0).stats.preemptions, 0);
  for (const Heard& h : heard) {
    ASSERT_EQ(h.logit_positions.size(), 89u);
    for (size_t p = 0; p < 89; ++p) EXPECT_EQ(h.logit_positions[p], static_cast<int64_t>(p));
  }
}

TEST(Engine, EndsARequestThatOutgrowsTheMemoryAlone) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 2, .pool_bytes = fake_blocks(2)});
  Heard too_long;
  Heard fits;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 30), 100, too_long)).ok());
  ASSERT_TRUE(engine->submit(make_request(some_prompt(2, 20), 20, fits)).ok());
  run_until_idle(*engine);
  ASSERT_EQ(too_long.results.size(), 1u);
  EXPECT_EQ(too_long.results[0].reason, FinishReason::kError);
  EXPECT_EQ(too_long.results[0].status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(too_long.tokens, oracle_tokens(some_prompt(1, 30), 35));  // 64 positions, and one token more
  expect_oracle(fits, some_prompt(2, 20), 20);
  Heard never;
  EXPECT_EQ(engine->submit(make_request(some_prompt(1, 65), 1, never)).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(Engine, IdleSessionsGiveWayAndComeBack) {
  auto [engine, pass] = make_fake_engine({.context = 64, .max_sequences = 1});
  const SessionId session = *engine->open_session();
  const auto prompt = some_prompt(1, 20);
  for (const int64_t reused : {0, 19, 0}) {
    if (reused == 0) {
      Heard other;
      ASSERT_TRUE(engine->submit(make_request(some_prompt(2, 30), 5, other)).ok());
      run_until_idle(*engine);
      expect_oracle(other, some_prompt(2, 30), 5);
    }
    Heard heard;
    Request request = make_request(prompt, 5, heard);
    request.session = session;
    ASSERT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    expect_oracle(heard, prompt, 5);
    EXPECT_EQ(heard.results[0].stats.reused_tokens, reused);
  }
}

TEST(Engine, ASessionMayCloseWhileItsRequestRuns) {
  auto [engine, pass] = make_fake_engine({.context = 64});
  const SessionId session = *engine->open_session();
  Heard heard;
  Request request = make_request(some_prompt(1, 20), 10, heard);
  request.session = session;
  ASSERT_TRUE(engine->submit(request).ok());
  engine->step();
  engine->close_session(session);
  EXPECT_EQ(engine->submit(request).status().code(), StatusCode::kNotFound);
  run_until_idle(*engine);
  expect_oracle(heard, some_prompt(1, 20), 10);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

TEST(Engine, MeasuresTimeWithTheClockItIsGiven) {
  ManualClock clock;
  auto [engine, pass] = make_fake_engine({.context = 64, .prefill_chunk = 10, .clock = &clock});
  pass->on_forward = [&](const Batch&) { clock.advance_ns(100); };
  Heard heard;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 30), 5, heard)).ok());
  clock.advance_ns(1000);
  run_until_idle(*engine);
  const RequestStats& stats = heard.results.at(0).stats;
  EXPECT_EQ(stats.ttft_ns, 1300u);
  EXPECT_EQ(stats.tpot_ns, 100.0);
  EXPECT_EQ(stats.kv_bytes, fake_blocks(2));  // 34 rows
}

TEST(Engine, RefusesBadRequestsInWords) {
  auto [engine, pass] = make_fake_engine({.context = 64});
  const auto refusal = [&, e = engine.get()](Request request) {
    const auto id = e->submit(std::move(request));
    EXPECT_FALSE(id.ok());
    return id.ok() ? std::string() : id.status().message();
  };
  EXPECT_EQ(refusal({}), "the prompt is empty: it needs at least one token");
  EXPECT_EQ(refusal({.prompt = some_prompt(1, 65)}),
            "the prompt has 65 tokens, but the context holds 64: shorten it, or ask for a larger `context`");
  EXPECT_EQ(refusal({.prompt = {5, 259}}),
            "prompt position 1 is token 259: the vocabulary has 259 tokens (0 to 258)");
  EXPECT_EQ(refusal({.prompt = {-1}}),
            "prompt position 0 is token -1: the vocabulary has 259 tokens (0 to 258)");
  EXPECT_EQ(refusal({.prompt = {5}, .forced_tokens = {300}}).substr(0, 14), "forced token 0");
  EXPECT_EQ(refusal({.prompt = {5}, .max_tokens = -3}), "max tokens is -3: it must be at least 0");
  EXPECT_EQ(refusal({.prompt = {5}, .stop_strings = {"a", ""}}), "a stop string is empty: leave it out");
  EXPECT_NE(refusal({.prompt = {5}, .sampling = {.top_p = 2}}).find("top-p"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {5}, .session = SessionId{99}}).find("session"), std::string::npos);
  EXPECT_TRUE(engine->idle());
}

TEST(Engine, RefusesBadOptionsInWords) {
  const auto refusal = [](const EngineOptions& options) {
    auto pass = std::make_unique<FakePass>(100, 100);
    const auto engine = Engine::create(
        {.pass = std::move(pass), .kv_shape = fake_shape(), .tokenizer = fake_tokenizer()}, options);
    return engine.status().code();
  };
  EXPECT_EQ(refusal({.context = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({.context = 64, .max_sequences = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({.context = 64, .prefill_chunk = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({.context = 64, .score_chunk = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({.context = 64, .available_bytes = 1000}), StatusCode::kResourceExhausted);
}

TEST(Engine, AWarmStepAllocatesNothing) {
  for (const KvStorageKind holding :
       {KvStorageKind::kContiguous, KvStorageKind::kPaged, KvStorageKind::kNone}) {
    auto [engine, pass] =
        make_fake_engine({.storage = holding, .context = 256, .max_sequences = 4, .prefill_chunk = 16});
    for (int i = 0; i < 4; ++i) {
      Request request{.prompt = some_prompt(static_cast<uint64_t>(i), 50), .ignore_end_tokens = true};
      request.sampling = {.temperature = 1, .top_k = 40, .top_p = 0.9, .repetition_penalty = 1.1};
      request.stop_strings = {"never to be seen"};
      request.max_tokens = 150;
      ASSERT_TRUE(engine->submit(request).ok());
    }
    for (int i = 0; i < 3; ++i) engine->step();
    const uint64_t before = allocation_count();
    for (int i = 0; i < 100; ++i) engine->step();  // prefill's rest, and decoding across three blocks
    EXPECT_EQ(allocation_count() - before, 0u) << kv_storage_kind_name(holding);
    EXPECT_FALSE(engine->idle());
  }
}

// Prefixes are found, blocks sealed, unified and evicted, sequences preempted and begun again.
TEST(Engine, AWarmStepAllocatesNothingWhereRowsAreShared) {
  const KvPlan seals = KvPlan::parse("k=int8:channel,v=f32").value();
  EngineOptions small{.kv_plan = seals, .context = 256, .max_sequences = 4, .prefill_chunk = 64};
  small.pool_bytes = fake_blocks(12, seals);
  auto [engine, pass] = make_fake_engine(small);
  for (const bool warms : {true, false}) {
    RequestId first;
    for (uint64_t i = 0; i < 4; ++i) {
      Request request{
          .prompt = branch_of(1, 70, i + (warms ? 0 : 10), 90), .max_tokens = 140, .ignore_end_tokens = true};
      if (i == 3) request.prompt.resize(60);
      const RequestId id = *engine->submit(std::move(request));
      if (i == 0) first = id;
    }
    for (int i = 0; i < 6; ++i) engine->step();
    ASSERT_TRUE(engine->fork(first, {.max_tokens = 100, .ignore_end_tokens = true}).ok());
    engine->step();
    const uint64_t before = allocation_count();
    for (int i = 0; i < 120; ++i) engine->step();
    if (!warms) {
      EXPECT_EQ(allocation_count() - before, 0u);
      EXPECT_FALSE(engine->idle());
    }
    run_until_idle(*engine);
  }
  EXPECT_GT(engine->cache().counts().evicted_blocks, 0);
}

}  // namespace
}  // namespace cairn
