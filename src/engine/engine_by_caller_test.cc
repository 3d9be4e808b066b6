// Requests whose caller picks the tokens: extend, roll back, wait, beside others and where memory is short.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/beam_search.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

class ByCaller : public ::testing::TestWithParam<const char*> {
 protected:
  static KvPlan plan() { return KvPlan::parse(GetParam()).value(); }
  static EngineOptions options(int64_t max_sequences = 2) {
    return {.kv_plan = plan(), .context = 512, .max_sequences = max_sequences, .prefill_chunk = 40};
  }
};
INSTANTIATE_TEST_SUITE_P(Plans, ByCaller, ::testing::Values("f16", "k=int8:channel,v=f32"),
                         [](const auto& param) { return param.index == 0 ? "ByRow" : "Sealed"; });

Request by_caller(std::vector<TokenId> prompt, Heard& heard) {
  Request request{.prompt = std::move(prompt), .picks = Picks::kByCaller};
  listen(request, heard);
  request.on_text = nullptr;
  return request;
}

void step_until_it_waits(Engine& engine) {
  for (int steps = 0; !engine.waits(); ++steps) {
    ASSERT_LT(steps, 10000);
    checked_step(engine);
  }
}

// A text whose caller adds tokens, and what its last logits must be.
class Text {
 public:
  Text(Engine& engine, std::vector<TokenId> prompt, const KvPlan& plan)
      : engine_(engine),
        tokens_(std::move(prompt)),
        plan_(plan),
        id_(*engine.submit(by_caller(tokens_, heard_))) {}

  void expect_logits() const {
    ASSERT_FALSE(heard_.logits.empty());
    EXPECT_EQ(heard_.logit_positions.back(), std::ssize(tokens_) - 1);
    EXPECT_EQ(heard_.logits.back(), oracle_logits(tokens_, plan_)) << tokens_.size() << " tokens";
  }
  void extend(std::span<const TokenId> more) {
    const Status status = engine_.extend(id_, more);
    ASSERT_TRUE(status.ok()) << status.message();
    tokens_.insert(tokens_.end(), more.begin(), more.end());
  }
  void roll_back(int64_t length) {
    const Status status = engine_.roll_back(id_, length);
    ASSERT_TRUE(status.ok()) << status.message();
    tokens_.resize(static_cast<size_t>(length));
  }
  [[nodiscard]] int64_t length() const { return std::ssize(tokens_); }
  [[nodiscard]] RequestId id() const { return id_; }
  [[nodiscard]] const Heard& heard() const { return heard_; }

 private:
  Engine& engine_;
  std::vector<TokenId> tokens_;
  KvPlan plan_;
  Heard heard_;
  RequestId id_;
};

TEST_P(ByCaller, ExtendedTokensGiveTheOraclesLogits) {
  auto [engine, pass] = make_fake_engine(options());
  Text text(*engine, some_prompt(1, 50), plan());
  EXPECT_FALSE(engine->waits());
  step_until_it_waits(*engine);
  text.expect_logits();
  for (const int64_t count : {1, 1, 13, 1, 30, 33, 64, 1}) {
    text.extend(some_prompt(static_cast<uint64_t>(count), count));
    EXPECT_FALSE(engine->waits());
    step_until_it_waits(*engine);
    text.expect_logits();
    EXPECT_EQ(engine->stats(text.id())->generated_tokens, text.length() - 50);
  }
  EXPECT_FALSE(engine->idle());
  engine->step();  // nothing happens
  EXPECT_TRUE(engine->cancel(text.id()));
  run_until_idle(*engine);
  EXPECT_EQ(text.heard().results.at(0).reason, FinishReason::kCancelled);
}

// Speculative tokens: k are tried, some are right, the rest is taken back.
TEST_P(ByCaller, TokensThatWereTriedAreTakenBack) {
  for (const int64_t tried : {1, 4, 31, 32, 33, 70}) {
    auto [engine, pass] = make_fake_engine(options());
    Text text(*engine, some_prompt(1, 45), plan());
    step_until_it_waits(*engine);
    for (uint64_t round = 0; round < 6; ++round) {
      const int64_t right = text.length() + static_cast<int64_t>(round) * tried / 6;
      text.extend(some_prompt(100 + round, tried));
      step_until_it_waits(*engine);
      text.expect_logits();
      if (right < text.length()) text.roll_back(std::max<int64_t>(right, 45));
      step_until_it_waits(*engine);
      text.expect_logits();
      text.extend(some_prompt(200 + round, 1));
      step_until_it_waits(*engine);
      text.expect_logits();
    }
    EXPECT_EQ(engine->stats(text.id())->generated_tokens, text.length() - 45);
    engine->cancel(text.id());
    run_until_idle(*engine);
    EXPECT_EQ(engine->cache().used_bytes(), 0u);
  }
}

TEST_P(ByCaller, EveryNewPositionIsTold) {
  EngineOptions scoring = options();
  scoring.score_chunk = 64;
  auto [engine, pass] = make_fake_engine(scoring);
  Heard heard;
  auto tokens = some_prompt(1, 40);
  Request request = by_caller(tokens, heard);
  request.logits_wanted = LogitsWanted::kEveryNewPosition;
  const RequestId id = *engine->submit(request);
  step_until_it_waits(*engine);
  EXPECT_EQ(heard.logits.size(), 40u);
  const auto more = some_prompt(2, 30);
  ASSERT_TRUE(engine->extend(id, more).ok());
  tokens.insert(tokens.end(), more.begin(), more.end());
  step_until_it_waits(*engine);
  ASSERT_EQ(heard.logits.size(), 70u);
  for (size_t p = 0; p < 70; ++p) {
    EXPECT_EQ(heard.logit_positions[p], static_cast<int64_t>(p));
    EXPECT_EQ(heard.logits[p], oracle_logits(std::span(tokens).first(p + 1), plan()));
  }
  ASSERT_TRUE(engine->roll_back(id, 50).ok());
  step_until_it_waits(*engine);
  ASSERT_EQ(heard.logits.size(), 71u);  // the last one's again
  EXPECT_EQ(heard.logit_positions[70], 49);
  EXPECT_EQ(heard.logits[70], heard.logits[49]);
  engine->cancel(id);
}

TEST_P(ByCaller, ForksOfAWaitingRequestBeginWhereItStands) {
  auto [engine, pass] = make_fake_engine(options(4));
  const auto prompt = some_prompt(1, 63);
  Text parent(*engine, prompt, plan());
  step_until_it_waits(*engine);
  std::vector<Heard> heard(3);
  for (size_t i = 0; i < heard.size(); ++i) {
    ASSERT_TRUE(engine->fork(parent.id(), by_caller({static_cast<TokenId>(20 + i)}, heard[i])).ok());
  }
  parent.extend(std::vector<TokenId>{19});
  step_until_it_waits(*engine);
  parent.expect_logits();
  for (size_t i = 0; i < heard.size(); ++i) {
    auto text = prompt;
    text.push_back(static_cast<TokenId>(20 + i));
    ASSERT_EQ(heard[i].logits.size(), 1u);
    EXPECT_EQ(heard[i].logits[0], oracle_logits(text, plan()));
  }
}

TEST_P(ByCaller, ThoseThatWaitDoNotBlockOthers) {
  auto [engine, pass] = make_fake_engine(options());
  Text text(*engine, some_prompt(1, 50), plan());
  step_until_it_waits(*engine);
  Heard other;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(2, 30), 40, other)).ok());
  EXPECT_FALSE(engine->waits());
  step_until_it_waits(*engine);
  expect_oracle(other, some_prompt(2, 30), 40, plan());
  text.extend(some_prompt(3, 5));
  step_until_it_waits(*engine);
  text.expect_logits();
  engine->cancel(text.id());
}

// Neither by the places that they hold ...
TEST_P(ByCaller, APlaceIsFoundAmongThoseThatWait) {
  auto [engine, pass] = make_fake_engine(options(2));
  Text first(*engine, some_prompt(1, 50), plan());
  Text second(*engine, some_prompt(2, 50), plan());
  step_until_it_waits(*engine);
  Heard other;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(3, 30), 40, other)).ok());
  step_until_it_waits(*engine);
  expect_oracle(other, some_prompt(3, 30), 40, plan());
  for (Text* text : {&first, &second, &first}) {
    text->extend(some_prompt(4, 5));
    step_until_it_waits(*engine);
    text->expect_logits();
  }
}

// ... nor by their memory.
TEST_P(ByCaller, MemoryIsFoundAmongThoseThatWait) {
  EngineOptions small = options(3);
  small.pool_bytes = fake_blocks(5, plan());
  auto [engine, pass] = make_fake_engine(small);
  Text first(*engine, some_prompt(1, 50), plan());
  Text second(*engine, some_prompt(2, 50), plan());
  step_until_it_waits(*engine);
  Heard other;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(3, 100), 20, other)).ok());
  step_until_it_waits(*engine);
  expect_oracle(other, some_prompt(3, 100), 20, plan());
  first.extend(some_prompt(4, 40));
  step_until_it_waits(*engine);
  first.expect_logits();
}

TEST_P(ByCaller, ARequestThatLostItsRowsGoesOn) {
  EngineOptions small = options(3);
  small.pool_bytes = fake_blocks(4, plan());
  auto [engine, pass] = make_fake_engine(small);
  Heard first;
  const RequestId id = *engine->submit(make_request(some_prompt(9, 60), 60, first));
  for (int i = 0; i < 3; ++i) checked_step(*engine);
  Text text(*engine, some_prompt(1, 30), plan());
  for (int i = 0; i < 3; ++i) checked_step(*engine);
  text.expect_logits();
  text.extend(some_prompt(2, 3));
  while (engine->stats(id) != nullptr) checked_step(*engine);  // the first one grows and takes its rows
  step_until_it_waits(*engine);
  text.expect_logits();
  text.roll_back(31);
  step_until_it_waits(*engine);
  text.expect_logits();
  expect_oracle(first, some_prompt(9, 60), 60, plan());
  engine->cancel(text.id());
}

TEST(ByCallerEnds, WhenItsTokensAreUsedUp) {
  auto [engine, pass] = make_fake_engine({.context = 64});
  Heard heard;
  Request request = by_caller(some_prompt(1, 10), heard);
  request.max_tokens = 5;
  const RequestId id = *engine->submit(request);
  step_until_it_waits(*engine);
  EXPECT_EQ(engine->extend(id, some_prompt(1, 6)).message(),
            "6 more tokens are too many: the request may have 5 in all");
  ASSERT_TRUE(engine->extend(id, some_prompt(1, 4)).ok());
  step_until_it_waits(*engine);
  ASSERT_TRUE(engine->extend(id, some_prompt(2, 1)).ok());
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kLength);
  EXPECT_EQ(engine->extend(id, some_prompt(2, 1)).code(), StatusCode::kNotFound);
  run_until_idle(*engine);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

TEST(ByCallerEnds, WhenItIsCancelledWhileItWaits) {
  auto [engine, pass] = make_fake_engine({.context = 64, .max_sequences = 1});
  Heard heard;
  const RequestId id = *engine->submit(by_caller(some_prompt(1, 10), heard));
  step_until_it_waits(*engine);
  EXPECT_TRUE(engine->cancel(id));
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(engine->extend(id, some_prompt(1, 1)).code(), StatusCode::kNotFound);
  EXPECT_FALSE(engine->cancel(id));
  run_until_idle(*engine);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
  EXPECT_TRUE(engine->waits());  // an idle engine does nothing either
}

TEST(ByCallerRefusals, AreToldInWords) {
  auto [engine, pass] = make_fake_engine({.context = 64});
  Heard heard;
  const RequestId id = *engine->submit(by_caller(some_prompt(1, 10), heard));
  EXPECT_EQ(engine->extend(id, some_prompt(1, 1)).message(), "no such request waits for tokens");
  EXPECT_EQ(engine->roll_back(id, 5).code(), StatusCode::kNotFound);
  step_until_it_waits(*engine);
  EXPECT_EQ(engine->extend(id, {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->extend(id, std::vector<TokenId>{259}).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(engine->extend(id, some_prompt(1, 5)).ok());
  step_until_it_waits(*engine);
  for (const int64_t length : {-1, 0, 9, 15, 16}) {
    EXPECT_EQ(engine->roll_back(id, length).code(), StatusCode::kInvalidArgument) << length;
  }
  EXPECT_TRUE(engine->roll_back(id, 10).ok());
  Request with_text = by_caller({5}, heard);
  with_text.on_text = [](std::string_view) {};
  EXPECT_EQ(engine->submit(with_text).status().code(), StatusCode::kInvalidArgument);
}

// Without a cache all pending rows run in one step, so no more can be scored than a step has logit rows.
TEST(ByCallerRefusals, WithoutACacheLongScoresAreRefused) {
  auto [engine, pass] = make_fake_engine({.storage = KvStorageKind::kNone, .context = 64, .score_chunk = 8});
  for (const LogitsWanted wanted : {LogitsWanted::kEveryPosition, LogitsWanted::kEveryNewPosition}) {
    Heard heard;
    Request request = by_caller(some_prompt(1, 9), heard);
    request.logits_wanted = wanted;
    EXPECT_EQ(engine->submit(request).status().code(), StatusCode::kInvalidArgument);
    request.prompt.resize(8);
    const RequestId id = *engine->submit(request);
    step_until_it_waits(*engine);
    EXPECT_EQ(engine->extend(id, some_prompt(2, 9)).code(), StatusCode::kInvalidArgument);
    ASSERT_TRUE(engine->extend(id, some_prompt(2, 8)).ok());
    step_until_it_waits(*engine);
    EXPECT_EQ(heard.logits.size(), 16u);
    engine->cancel(id);
  }
}

// Against a search that knows of no engine.
TEST_P(ByCaller, BeamSearchFindsWhatAPlainSearchFinds) {
  constexpr int64_t kWidth = 3;
  constexpr int64_t kTokens = 6;
  struct Plain {
    std::vector<TokenId> tokens;
    double score = 0;
  };
  const auto prompt = some_prompt(1, 62);
  std::vector<Plain> beams{{}};
  for (int64_t step = 0; step < kTokens; ++step) {
    std::vector<Plain> all;
    for (const Plain& beam : beams) {
      auto text = prompt;
      text.insert(text.end(), beam.tokens.begin(), beam.tokens.end());
      const auto logits = oracle_logits(text, plan());
      double sum = 0;
      for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
      for (size_t t = 0; t < logits.size(); ++t) {
        if (t == 2) continue;  // the end token: kept apart, and never among the best here
        all.push_back({beam.tokens, beam.score + static_cast<double>(logits[t]) - std::log(sum)});
        all.back().tokens.push_back(static_cast<TokenId>(t));
      }
    }
    std::ranges::stable_sort(all, std::ranges::greater(), &Plain::score);
    all.resize(kWidth);
    beams = std::move(all);
  }
  auto [engine, pass] = make_fake_engine(options(kWidth));
  const Tokenizer tokenizer = fake_tokenizer();
  auto search =
      BeamSearch::start(*engine, tokenizer, {.prompt = prompt, .max_tokens = kTokens}, {.width = kWidth});
  ASSERT_TRUE(search.ok()) << search.status().message();
  while (true) {
    const Result<bool> more = search->step();
    ASSERT_TRUE(more.ok()) << more.status().message();
    ASSERT_TRUE(engine->cache().check().ok()) << engine->cache().check().message();
    if (!*more) break;
  }
  const auto found = search->beams();
  ASSERT_EQ(found.size(), beams.size());
  for (size_t i = 0; i < beams.size(); ++i) {
    EXPECT_EQ(found[i].tokens, beams[i].tokens);
    EXPECT_NEAR(found[i].log_probability, beams[i].score, 1e-9);
  }
  run_until_idle(*engine);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

TEST_P(ByCaller, TokensAreReplacedInOneGo) {
  for (const int64_t length : {30, 31, 32, 33, 40, 63, 64, 65, 69}) {
    auto [engine, pass] = make_fake_engine(options());
    Heard heard;
    auto tokens = some_prompt(1, 30);
    const RequestId id = engine->submit(by_caller(tokens, heard)).value();
    step_until_it_waits(*engine);
    const auto first = some_prompt(2, 40);
    ASSERT_TRUE(engine->extend(id, first).ok());
    step_until_it_waits(*engine);
    tokens.insert(tokens.end(), first.begin(), first.end());
    tokens.resize(static_cast<size_t>(length));
    const auto others = some_prompt(3, 5);
    ASSERT_TRUE(engine->replace(id, length, others).ok());
    tokens.insert(tokens.end(), others.begin(), others.end());
    step_until_it_waits(*engine);
    EXPECT_EQ(heard.logit_positions.back(), std::ssize(tokens) - 1);
    EXPECT_EQ(heard.logits.back(), oracle_logits(tokens, plan())) << length;
    EXPECT_EQ(engine->stats(id)->generated_tokens, length + 5 - 30);
  }
}

TEST_P(ByCaller, AReplacementThatIsWrongChangesNothing) {
  auto [engine, pass] = make_fake_engine(options());
  Heard heard;
  Request request = by_caller(some_prompt(1, 30), heard);
  request.max_tokens = 12;
  const RequestId id = engine->submit(std::move(request)).value();
  EXPECT_EQ(engine->replace(id, 30, some_prompt(2, 1)).code(),
            StatusCode::kNotFound);  // it does not wait yet
  step_until_it_waits(*engine);
  ASSERT_TRUE(engine->extend(id, some_prompt(2, 10)).ok());
  step_until_it_waits(*engine);
  const auto code = [&](int64_t length, const std::vector<TokenId>& tokens) {
    return engine->replace(id, length, tokens).code();
  };
  EXPECT_EQ(code(29, {1}), StatusCode::kInvalidArgument);  // within the prompt
  EXPECT_EQ(code(40, {1}), StatusCode::kInvalidArgument);  // nothing to replace
  EXPECT_EQ(code(35, {}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(35, {static_cast<TokenId>(kFakeVocab)}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(35, some_prompt(3, 8)), StatusCode::kInvalidArgument);  // 13 in all
  EXPECT_TRUE(engine->waits());
  ASSERT_TRUE(engine->replace(id, 35, some_prompt(3, 7)).ok());  // 12 in all: it ends
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kLength);
}

}  // namespace
}  // namespace cairn
