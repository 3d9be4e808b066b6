// Speculative decoding: fewer steps, and not a bit of difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "engine/drafts/drafters_testing.h"
#include "engine/drafts/prompt_lookup.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "engine/token_constraint.h"

namespace cairn {
namespace {

// Steps cost nothing: whatever is offered is verified.
class NoTime final : public Clock {
 public:
  [[nodiscard]] uint64_t now_ns() const override { return 0; }
};
const NoTime kNoTime;

constexpr std::array kPlans = {"f16", "k=int8:channel,v=f32", "k=int8:channel,v=int8:channel"};

EngineOptions options(std::shared_ptr<Drafter> drafter, const char* plan = "f16") {
  return {.kv_plan = KvPlan::parse(plan).value(),
          .context = 256,
          .max_sequences = 4,
          .prefill_chunk = 64,
          .drafter = std::move(drafter),
          .clock = &kNoTime};
}

std::shared_ptr<Drafter> oracle(const char* plan = "f16", uint64_t wrong_in = 0, uint64_t seed = 1) {
  return std::make_shared<OracleDrafter>(KvPlan::parse(plan).value(), wrong_in, seed);
}

struct Outcome {
  Heard heard;
  int64_t steps = 0;
};

void run(Engine& engine, Request request, Outcome& result) {
  listen(request, result.heard);
  const auto id = engine.submit(std::move(request));
  ASSERT_TRUE(id.ok()) << id.status().message();
  for (; !engine.idle(); ++result.steps) ASSERT_NO_FATAL_FAILURE(checked_step(engine));
  ASSERT_EQ(result.heard.results.size(), 1u);
}

// The same request, once without and once with this drafter.
struct Pair {
  Outcome plain;
  Outcome drafted;
};
void run_both(const std::function<Request()>& request, const EngineOptions& with, Pair& pair) {
  EngineOptions without = with;
  without.drafter = nullptr;
  ASSERT_NO_FATAL_FAILURE(run(*make_fake_engine(without).engine, request(), pair.plain));
  ASSERT_NO_FATAL_FAILURE(run(*make_fake_engine(with).engine, request(), pair.drafted));
  const RequestResult& plain = pair.plain.heard.results[0];
  const RequestResult& drafted = pair.drafted.heard.results[0];
  EXPECT_EQ(pair.drafted.heard.tokens, pair.plain.heard.tokens);
  EXPECT_EQ(pair.drafted.heard.text, pair.plain.heard.text);
  EXPECT_EQ(pair.drafted.heard.logit_positions, pair.plain.heard.logit_positions);
  EXPECT_EQ(pair.drafted.heard.logits, pair.plain.heard.logits);
  EXPECT_EQ(drafted.reason, plain.reason);
  EXPECT_EQ(drafted.end_token, plain.end_token);
  EXPECT_EQ(drafted.stats.generated_tokens, plain.stats.generated_tokens);
}

class DraftsByPlan : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Plans, DraftsByPlan, ::testing::ValuesIn(kPlans),
                         [](const auto& param) { return "Plan" + std::to_string(param.index); });

TEST_P(DraftsByPlan, ARightDraftSavesStepsAndChangesNothing) {
  for (const int64_t prompt : {1, 20, 31, 32, 33, 63}) {
    Pair pair;
    run_both(
        [&] {
          return Request{.prompt = some_prompt(1, prompt), .max_tokens = 150, .ignore_end_tokens = true};
        },
        options(oracle(GetParam()), GetParam()), pair);
    EXPECT_LT(pair.drafted.steps * 4, pair.plain.steps);
    const RequestStats& stats = pair.drafted.heard.results[0].stats;
    EXPECT_EQ(stats.accepted_draft_tokens, stats.draft_tokens);
    EXPECT_GT(stats.accepted_draft_tokens, 100);
    EXPECT_EQ(stats.projected_positions, pair.plain.heard.results[0].stats.projected_positions);
  }
}

TEST_P(DraftsByPlan, WhereverADraftIsWrongNothingChanges) {
  for (uint64_t wrong_in = 1; wrong_in < 10; ++wrong_in) {
    Pair pair;
    run_both(
        [&] {
          return Request{.prompt = some_prompt(wrong_in, 40), .max_tokens = 150, .ignore_end_tokens = true};
        },
        options(oracle(GetParam(), wrong_in, wrong_in), GetParam()), pair);
    const RequestStats& stats = pair.drafted.heard.results[0].stats;
    EXPECT_GT(stats.draft_tokens, stats.accepted_draft_tokens);
    EXPECT_EQ(stats.accepted_draft_tokens == 0, wrong_in == 1);
  }
}

TEST(Drafts, SampledTokensAreTheSameToo) {
  for (uint64_t seed = 1; seed < 6; ++seed) {
    const SamplingParams sampling{.temperature = 0.3, .top_p = 0.9, .repetition_penalty = 1.2, .seed = seed};
    Pair pair;
    run_both(
        [&] {
          return Request{.prompt = some_prompt(seed, 40),
                         .sampling = sampling,
                         .max_tokens = 100,
                         .ignore_end_tokens = true};
        },
        options(oracle("f16", 5, seed)), pair);
    EXPECT_GT(pair.drafted.heard.results[0].stats.accepted_draft_tokens, 0);
  }
}

TEST(Drafts, SeveralSequencesAtOnce) {
  auto [engine, pass] = make_fake_engine(options(oracle("f16", 3)));
  std::array<Heard, 4> heard;
  for (uint64_t i = 0; i < heard.size(); ++i) {
    const auto prompt = some_prompt(i, 30 + static_cast<int64_t>(i));
    ASSERT_TRUE(engine->submit(make_request(prompt, 60 + static_cast<int64_t>(i), heard[i])).ok());
  }
  run_until_idle(*engine);
  for (uint64_t i = 0; i < heard.size(); ++i) {
    const auto prompt = some_prompt(i, 30 + static_cast<int64_t>(i));
    expect_oracle(heard[i], prompt, 60 + static_cast<int64_t>(i));
    EXPECT_GT(heard[i].results[0].stats.accepted_draft_tokens, 0);
  }
}

// A guess of theirs would cost the prompt its time.
TEST(Drafts, NoneBesideAPrompt) {
  auto [engine, pass] = make_fake_engine(options(oracle()));
  Heard first;
  Heard second;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 10), 100, first)).ok());
  engine->step();
  engine->step();
  ASSERT_TRUE(engine->submit(make_request(some_prompt(2, 150), 1, second)).ok());
  bool has_seen_prompt = false;
  pass->on_forward = [&](const Batch& batch) {
    if (batch.sequences.size() != 2) return;
    has_seen_prompt = true;
    EXPECT_EQ(batch.sequences[0].row_count, 1);
  };
  run_until_idle(*engine);
  EXPECT_TRUE(has_seen_prompt);
  expect_oracle(first, some_prompt(1, 10), 100);
}

// Nothing that was not picked is sealed, named or found by others.
TEST(Drafts, ADraftNeverFillsABlock) {
  auto [engine, pass] = make_fake_engine(options(oracle("f16", 2)));
  int64_t drafts = 0;
  pass->on_forward = [&drafts](const Batch& batch) {
    for (const BatchSequence& sequence : batch.sequences) {
      const int64_t end = sequence.first_position + sequence.row_count;
      if (sequence.first_position == 0 || sequence.row_count == 1) continue;  // the prompt, or no draft
      ++drafts;
      EXPECT_NE(end % kBlockSize, 0);
      EXPECT_EQ((end - 1) / kBlockSize, sequence.first_position / kBlockSize);
    }
  };
  Heard heard;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 30), 200, heard)).ok());
  run_until_idle(*engine);
  expect_oracle(heard, some_prompt(1, 30), 200);
  EXPECT_GT(drafts, 20);
}

TEST(Drafts, EndAtTheContextAndAtTheLastToken) {
  for (const int64_t count : {1, 2, 3, 5, 17, 225, 226, 227}) {
    auto [engine, pass] = make_fake_engine(options(oracle()));
    Heard heard;
    Request request = make_request(some_prompt(1, 30), count, heard);
    if (count == 227) request.max_tokens = std::nullopt;
    ASSERT_TRUE(engine->submit(std::move(request)).ok());
    run_until_idle(*engine);
    const bool is_full = count == 227;
    expect_oracle(heard, some_prompt(1, 30), count, KvPlan(),
                  is_full ? FinishReason::kContextFull : FinishReason::kLength);
  }
}

TEST(Drafts, AnEndTokenAmidADraftEndsTheRequest) {
  const auto prompt = some_prompt(1, 40);
  const auto tokens = oracle_tokens(prompt, 60);
  for (const size_t end : {0u, 1u, 2u, 7u, 20u}) {
    const auto first = std::ranges::find(tokens, tokens[end]) - tokens.begin();
    Pair pair;
    run_both([&] { return Request{.prompt = prompt, .max_tokens = 60, .end_tokens = {tokens[end]}}; },
             options(oracle()), pair);
    EXPECT_EQ(pair.drafted.heard.results[0].reason, FinishReason::kEndToken);
    EXPECT_EQ(std::ssize(pair.drafted.heard.tokens), first);
  }
}

TEST(Drafts, AStopStringAmidADraftEndsTheRequestAndTheSessionGoesOn) {
  const auto prompt = some_prompt(1, 40);
  Outcome whole;
  run(*make_fake_engine(options(nullptr)).engine,
      Request{.prompt = prompt, .max_tokens = 60, .ignore_end_tokens = true}, whole);
  const std::string& text = whole.heard.text;
  size_t at = 10;
  while (static_cast<unsigned char>(text[at]) >= 0x80 || static_cast<unsigned char>(text[at + 1]) >= 0x80)
    ++at;
  const std::string stop = text.substr(at, 2);

  const auto talk = [&](std::shared_ptr<Drafter> drafter, std::array<Heard, 2>& heard) {
    auto [engine, pass] = make_fake_engine(options(std::move(drafter)));
    const SessionId session = engine->open_session().value();
    Request first = make_request(prompt, 60, heard[0]);
    first.stop_strings = {stop};
    first.session = session;
    ASSERT_TRUE(engine->submit(std::move(first)).ok());
    run_until_idle(*engine);
    auto turn = prompt;
    turn.insert(turn.end(), heard[0].tokens.begin(), heard[0].tokens.end());
    turn.insert(turn.end(), 25, 9);
    Request second = make_request(turn, 30, heard[1]);
    second.session = session;
    ASSERT_TRUE(engine->submit(std::move(second)).ok());
    run_until_idle(*engine);
    expect_oracle(heard[1], turn, 30);
  };
  std::array<Heard, 2> plain;
  std::array<Heard, 2> drafted;
  talk(nullptr, plain);
  talk(oracle(), drafted);
  EXPECT_EQ(drafted[0].results.at(0).reason, FinishReason::kStopString);
  EXPECT_EQ(drafted[0].tokens, plain[0].tokens);
  EXPECT_EQ(drafted[0].text, plain[0].text);
  EXPECT_EQ(drafted[1].logits, plain[1].logits);
  EXPECT_GE(drafted[1].results.at(0).stats.reused_tokens, plain[1].results.at(0).stats.reused_tokens);
}

// Calls `act` once: in the n-th call of the callback of this name.
enum class From { kLogits, kMask, kChoice, kToken, kText };
void act_in(From from, int64_t n, Request& request, Heard& heard, const std::function<void()>& act) {
  const auto count = std::make_shared<int64_t>(0);
  const auto called = [count, n, act](From here, From wanted) {
    if (here == wanted && ++*count == n) act();
  };
  request.on_logits = [&heard, called, from](int64_t position, std::span<const float> logits) {
    heard.logit_positions.push_back(position);
    heard.logits.emplace_back(logits.begin(), logits.end());
    called(From::kLogits, from);
  };
  request.on_mask = [called, from](TokenMask&) { called(From::kMask, from); };
  request.on_choice = [called, from](const TokenChoice&) { called(From::kChoice, from); };
  request.on_token = [&heard, called, from](TokenId token) {
    heard.tokens.push_back(token);
    called(From::kToken, from);
  };
  request.on_text = [&heard, called, from](std::string_view text) {
    heard.text += text;
    called(From::kText, from);
  };
}

constexpr From kEveryCallback[] = {From::kLogits, From::kMask, From::kChoice, From::kToken, From::kText};

// The child has what the request had when its callback was called, of its own tokens those that were reported, and `more`.
void expect_fork(From from, int64_t n, const std::vector<TokenId>& more, uint64_t wrong_in) {
  auto [engine, pass] = make_fake_engine(options(oracle("f16", wrong_in)));
  const auto prompt = some_prompt(3, 20);
  Heard parent;
  Heard child;
  std::vector<TokenId> common = prompt;
  Request request = make_request(prompt, 50, parent);
  std::optional<RequestId> id;
  act_in(from, n, request, parent, [&, running = engine.get()] {
    common.insert(common.end(), parent.tokens.begin(), parent.tokens.end());
    common.insert(common.end(), more.begin(), more.end());
    ASSERT_TRUE(running->fork(*id, make_request(more, 30, child)).ok());
  });
  id = engine->submit(std::move(request)).value();
  run_until_idle(*engine);
  expect_oracle(parent, prompt, 50);
  expect_oracle(child, common, 30);
}

TEST(Drafts, AForkFromAnyCallbackComputesItsOwnTokens) {
  for (const From from : kEveryCallback) {
    for (int64_t n = 1; n < 30; ++n) {
      expect_fork(from, n, std::vector<TokenId>(static_cast<size_t>(n % 4), 5), n % 3 == 0 ? 4 : 0);
    }
  }
}

// The session keeps what is the text's, and the next turn goes on from there; also where it goes on with token 0.
TEST(Drafts, ACancelInASessionFromAnyCallbackKeepsWhatIsTheTexts) {
  for (const From from : kEveryCallback) {
    for (int64_t n = 1; n < 30; ++n) {
      auto [engine, pass] = make_fake_engine(options(oracle()));
      const SessionId session = engine->open_session().value();
      Heard first;
      Heard second;
      std::optional<RequestId> id;
      Request request = make_request(some_prompt(1, 20), 50, first);
      request.session = session;
      act_in(from, n, request, first, [&, running = engine.get()] { running->cancel(*id); });
      id = engine->submit(std::move(request)).value();
      run_until_idle(*engine);
      ASSERT_EQ(first.results.at(0).reason, FinishReason::kCancelled);
      auto turn = some_prompt(1, 20);
      turn.insert(turn.end(), first.tokens.begin(), first.tokens.end());
      turn.insert(turn.end(), 5, 0);
      Request next = make_request(turn, 20, second);
      next.session = session;
      ASSERT_TRUE(engine->submit(std::move(next)).ok());
      run_until_idle(*engine);
      expect_oracle(second, turn, 20);
    }
  }
}

// In a callback the cache has rows of the draft that nothing was said of yet.
TEST(Drafts, AForkFromACallbackBeginsWithWhatWasPicked) {
  for (int64_t after = 1; after < 40; ++after) {
    const std::vector<TokenId> more = after % 2 == 0 ? std::vector<TokenId>{5, 6} : std::vector<TokenId>{};
    for (const uint64_t wrong_in : {0u, 4u}) expect_fork(From::kToken, after, more, wrong_in);
  }
}

TEST(Drafts, ACancelFromACallbackIsHeardAtOnce) {
  auto [engine, pass] = make_fake_engine(options(oracle()));
  Heard heard;
  Request request = make_request(some_prompt(1, 20), 50, heard);
  std::optional<RequestId> id;
  request.on_token = [&, running = engine.get()](TokenId token) {
    heard.tokens.push_back(token);
    if (heard.tokens.size() == 9) running->cancel(*id);
  };
  id = engine->submit(std::move(request)).value();
  run_until_idle(*engine);
  EXPECT_EQ(heard.tokens.size(), 9u);
  EXPECT_EQ(heard.results.at(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(engine->cache().used_bytes(), 0u);
}

// A mask is asked for each token, in order; also where a draft agrees with none that it allows.
TEST(Drafts, MasksAndConstraintsSeeEveryTokenOnce) {
  for (const bool is_odd : {false, true}) {
    const auto request = [&] {
      Request masked{.prompt = some_prompt(1, 20), .max_tokens = 40, .ignore_end_tokens = true};
      masked.on_mask = [is_odd](TokenMask& allowed) {
        for (TokenId token = 0; token < kFakeVocab; ++token) {
          if ((token % 2 == 1) != is_odd) allowed.forbid(token);
        }
      };
      return masked;
    };
    Pair pair;
    run_both(request, options(oracle()), pair);
    EXPECT_TRUE(
        std::ranges::all_of(pair.drafted.heard.tokens, [&](TokenId t) { return (t % 2 == 1) == is_odd; }));
  }
}

TEST(Drafts, AFailedPassLosesOnlyItsRows) {
  for (int failing = 0; failing < 12; ++failing) {
    for (const int64_t layer : {0, 1, 2}) {
      auto [engine, pass] =
          make_fake_engine(options(oracle("k=int8:channel,v=f32", 3), "k=int8:channel,v=f32"));
      int passes = 0;
      pass->on_forward = [&, failing_pass = pass](const Batch&) {
        failing_pass->fails_at_layer = passes++ == failing ? std::optional(layer) : std::nullopt;
      };
      Heard heard;
      ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 40), 50, heard)).ok());
      run_until_idle(*engine);
      expect_oracle(heard, some_prompt(1, 40), 50, KvPlan::parse("k=int8:channel,v=f32").value());
    }
  }
}

TEST(Drafts, PromptLookupFindsWhatTheModelRepeats) {
  // A model that must repeat: only what was there 20 tokens before is allowed.
  const auto request = [] {
    const auto prompt = some_prompt(1, 60);
    auto said = std::make_shared<std::vector<TokenId>>(prompt);
    Request repeating{.prompt = prompt, .max_tokens = 120, .ignore_end_tokens = true};
    repeating.on_mask = [said](TokenMask& allowed) {
      const TokenId next = (*said)[said->size() - 20];
      for (TokenId token = 0; token < kFakeVocab; ++token) {
        if (token != next) allowed.forbid(token);
      }
      said->push_back(next);
    };
    return repeating;
  };
  Pair pair;
  run_both(request, options(std::make_shared<PromptLookup>()), pair);
  EXPECT_LT(pair.drafted.steps * 3, pair.plain.steps);
}

TEST(Drafts, NeedACacheThatKeepsRows) {
  EngineOptions none = options(oracle());
  none.storage = KvStorageKind::kNone;
  EXPECT_EQ(Engine::check_options(none).code(), StatusCode::kInvalidArgument);
  for (const KvStorageKind kind :
       {KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    EngineOptions kept = options(oracle("f16", 3));
    kept.storage = kind;
    Outcome result;
    run(*make_fake_engine(kept).engine,
        Request{.prompt = some_prompt(1, 40), .max_tokens = 60, .ignore_end_tokens = true}, result);
    expect_oracle(result.heard, some_prompt(1, 40), 60);
    EXPECT_GT(result.heard.results.at(0).stats.accepted_draft_tokens, 0);
  }
}

}  // namespace
}  // namespace cairn
