// Hooks that see and change how an Llm chooses tokens, and what they may call.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <tuple>

#include "engine/llm_testing.h"

namespace cairn {
namespace {

LlmOptions options() { return {.context = 256, .prefill_chunk = 50, .thread_count = 1}; }

const MadeModel& made() {
  static const MadeModel model("tiny-llama");
  return model;
}

TextRequest request(std::optional<int64_t> max_tokens = 12) {
  return {.prompt = std::vector<TokenId>{5, 12, 19, 26, 33, 40, 47},
          .max_tokens = max_tokens,
          .ignore_end_tokens = true};
}

TextsHeard run(const TextRequest& asked) {
  Llm llm = made().open(options());
  TextsHeard heard;
  EXPECT_TRUE(llm.submit(hearing(asked, heard)).ok());
  llm.run();
  return heard;
}

// By the definition, in double.
double log_probability(std::span<const float> logits, TokenId token) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  return double{logits[static_cast<size_t>(token)]} - std::log(sum);
}

TEST(LlmHooks, AChoiceIsReportedWithItsProbability) {
  TextRequest asked = request();
  asked.sampling = {.temperature = 1.3, .top_k = 40, .seed = 4};
  const TextsHeard plain = run(asked);
  std::vector<float> row;
  std::vector<TokenId> chosen;
  asked.likeliest_count = 5;
  asked.on_logits = [&](int64_t sample, std::span<const float> logits) {
    EXPECT_EQ(sample, 0);
    row.assign(logits.begin(), logits.end());
  };
  asked.on_choice = [&](int64_t, const TokenChoice& choice) {
    chosen.push_back(choice.token);
    EXPECT_NEAR(choice.log_probability, log_probability(row, choice.token), 1e-9);
    ASSERT_EQ(choice.likeliest.size(), 5U);
    std::vector<TokenId> order(row.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(), [&](TokenId id) { return row[static_cast<size_t>(id)]; });
    for (size_t i = 0; i < choice.likeliest.size(); ++i) {
      EXPECT_EQ(choice.likeliest[i].token, order[i]);
      EXPECT_NEAR(choice.likeliest[i].log_probability, log_probability(row, order[i]), 1e-9);
    }
  };
  const TextsHeard heard = run(asked);
  EXPECT_EQ(heard.tokens, plain.tokens);  // looking changes nothing
  EXPECT_EQ(chosen, heard.tokens.at(0));
}

TEST(LlmHooks, AnEndTokenIsAChoiceToo) {
  TextRequest asked = request();
  asked.ignore_end_tokens = false;
  const TokenId end = made().open(options()).facts().end_tokens.front().id;
  std::vector<TokenId> chosen;
  asked.on_choice = [&](int64_t, const TokenChoice& choice) { chosen.push_back(choice.token); };
  asked.on_mask = [&](int64_t, TokenMask& allowed) { allowed.allow_only({&end, 1}); };
  const TextsHeard heard = run(asked);
  EXPECT_EQ(chosen, std::vector<TokenId>{end});
  EXPECT_TRUE(heard.tokens.empty());
  EXPECT_EQ(heard.results.at(0).reason, FinishReason::kEndToken);
}

TEST(LlmHooks, OnlyWhatTheMaskAllowsIsChosen) {
  for (const double temperature : {0.0, 1.0}) {
    TextRequest asked = request(30);
    asked.sampling = {.temperature = temperature, .top_p = 0.9, .repetition_penalty = 1.2, .seed = 8};
    asked.on_mask = [](int64_t, TokenMask& allowed) {
      EXPECT_TRUE(allowed.allows(7));
      for (TokenId token = 0; token < allowed.size(); ++token) {
        if (token % 3 != 1) allowed.forbid(token);
      }
      allowed.forbid(-1);
      allowed.forbid(1 << 30);
    };
    const TextsHeard heard = run(asked);
    ASSERT_EQ(heard.tokens.at(0).size(), 30U);
    for (const TokenId token : heard.tokens.at(0)) EXPECT_EQ(token % 3, 1);
  }
}

// The likeliest of those that are allowed, as if a bias of minus infinity forbade the rest.
TEST(LlmHooks, AMaskIsABiasOfMinusInfinity) {
  TextRequest biased = request();
  biased.sampling = {.temperature = 0.8, .seed = 6};
  TextRequest masked = biased;
  for (TokenId token = 100; token < 300; ++token) {
    biased.sampling.logit_bias.push_back({token, -std::numeric_limits<float>::infinity()});
  }
  masked.on_mask = [](int64_t, TokenMask& allowed) {
    for (TokenId token = 100; token < 300; ++token) allowed.forbid(token);
  };
  EXPECT_EQ(run(masked).tokens, run(biased).tokens);
  masked.on_mask = [](int64_t, TokenMask&) {};
  biased.sampling.logit_bias.clear();
  EXPECT_EQ(run(masked).tokens, run(biased).tokens);
}

TEST(LlmHooks, AMaskThatAllowsNothingEndsTheRequest) {
  TextRequest asked = request();
  int calls = 0;
  asked.on_mask = [&](int64_t, TokenMask& allowed) {
    if (++calls == 4) allowed.forbid_all();
  };
  const TextsHeard heard = run(asked);
  EXPECT_EQ(heard.tokens.at(0).size(), 3U);
  EXPECT_EQ(heard.results.at(0).reason, FinishReason::kError);
  EXPECT_EQ(heard.results.at(0).status,
            invalid_argument("the mask allows no token of the vocabulary: `on_mask` and the constraint must "
                             "leave one of them possible"));

  asked.sampling.logit_bias = {{7, -std::numeric_limits<float>::infinity()}};
  asked.on_mask = [](int64_t, TokenMask& allowed) { allowed.allow_only(std::vector<TokenId>{7}); };
  EXPECT_EQ(run(asked).results.at(0).status,
            invalid_argument(
                "the logit bias forbids every token that the mask allows: leave one of them possible"));
}

TEST(LlmHooks, SamplesHaveTheirOwn) {
  TextRequest asked = request();
  asked.sample_count = 3;
  asked.on_mask = [](int64_t sample, TokenMask& allowed) {
    allowed.allow_only(std::vector<TokenId>{static_cast<TokenId>(10 + sample)});
  };
  const TextsHeard heard = run(asked);
  for (int64_t sample = 0; sample < 3; ++sample) {
    EXPECT_EQ(heard.tokens.at(sample), std::vector<TokenId>(12, static_cast<TokenId>(10 + sample)));
  }
}

TEST(LlmHooks, WrongCountsAreNamed) {
  Llm llm = made().open(options());
  TextRequest asked = request();
  for (const int64_t count : {int64_t{-1}, llm.vocab_size() + 1, std::numeric_limits<int64_t>::max()}) {
    asked.likeliest_count = count;
    EXPECT_EQ(llm.submit(asked).status().code(), StatusCode::kInvalidArgument) << count;
  }
  asked.likeliest_count = llm.vocab_size();
  size_t count = 0;
  asked.on_choice = [&](int64_t, const TokenChoice& choice) { count = choice.likeliest.size(); };
  EXPECT_TRUE(llm.submit(asked).ok());
  llm.run();
  EXPECT_EQ(static_cast<int64_t>(count), llm.vocab_size());
}

enum class Hook { kLogits, kMask, kChoice };

// Calls `act` once, from the third call of the hook.
void act_in(Hook hook, const std::function<void()>& act, TextRequest& asked) {
  const auto count = std::make_shared<int>(0);
  const auto third = [count, act] {
    if (++*count == 3) act();
  };
  if (hook == Hook::kLogits) asked.on_logits = [third](int64_t, std::span<const float>) { third(); };
  if (hook == Hook::kMask) asked.on_mask = [third](int64_t, TokenMask&) { third(); };
  if (hook == Hook::kChoice) asked.on_choice = [third](int64_t, const TokenChoice&) { third(); };
}

class LlmHook : public ::testing::TestWithParam<Hook> {
 protected:
  static const std::map<int64_t, std::vector<TokenId>>& truth() {
    static const auto tokens = run(request()).tokens;
    return tokens;
  }
};

// All hooks may call everything; a step does nothing there.
TEST_P(LlmHook, MaySubmitForkAndCancelOthers) {
  for (const char* plan : {"f16", "int4"}) {
    LlmOptions chosen = options();
    chosen.kv_plan = plan;
    chosen.prefill_chunk = 3;
    Llm llm = made().open(chosen);
    TextsHeard alone;
    ASSERT_TRUE(llm.submit(hearing(request(), alone)).ok());
    llm.run();
    TextsHeard heard, other, submitted, forked;
    RequestId id{};
    const RequestId other_id = *llm.submit(hearing(request(200), other));
    TextRequest asked = hearing(request(), heard);
    act_in(
        GetParam(),
        [&] {
          EXPECT_FALSE(llm.step());
          llm.run();
          EXPECT_TRUE(llm.submit(hearing(request(), submitted)).ok());
          TextRequest rest = request(10);  // two of twelve are there
          rest.prompt = std::vector<TokenId>{};
          EXPECT_TRUE(llm.fork(id, hearing(rest, forked)).ok());
          EXPECT_TRUE(llm.cancel(other_id));
          EXPECT_FALSE(llm.idle());
        },
        asked);
    id = *llm.submit(asked);
    llm.run();
    const auto& tokens = alone.tokens.at(0);
    EXPECT_EQ(heard.tokens.at(0), tokens);
    EXPECT_EQ(submitted.tokens.at(0), tokens);
    EXPECT_EQ(forked.tokens.at(0), std::vector<TokenId>(tokens.begin() + 2, tokens.end()));
    EXPECT_EQ(other.results.at(0).reason, FinishReason::kCancelled);
    EXPECT_EQ(llm.cache_statistics().used_bytes, 0U);
  }
}

TEST_P(LlmHook, MayCancelItsOwnRequest) {
  Llm llm = made().open(options());
  TextsHeard heard;
  RequestId id{};
  TextRequest asked = hearing(request(), heard);
  act_in(GetParam(), [&] { EXPECT_TRUE(llm.cancel(id)); }, asked);
  id = *llm.submit(asked);
  llm.run();
  EXPECT_EQ(heard.tokens.at(0).size(), 2U);
  EXPECT_EQ(heard.results.at(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(llm.cache_statistics().used_bytes, 0U);
  EXPECT_FALSE(llm.cancel(id));
}

// Where a hook finds no memory, its request ends and others go on.
TEST_P(LlmHook, MayRunOutOfMemory) {
  Llm llm = made().open(options());
  TextsHeard heard, other;
  TextRequest asked = hearing(request(), heard);
  act_in(GetParam(), [] { throw std::bad_alloc(); }, asked);
  ASSERT_TRUE(llm.submit(asked).ok());
  ASSERT_TRUE(llm.submit(hearing(request(), other)).ok());
  llm.run();
  EXPECT_EQ(heard.results.at(0).status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(other.tokens, truth());
}

// What a hook owns may call the Llm when it is destroyed, by the Llm's own destructor too.
TEST_P(LlmHook, MayOwnWhatCallsWhenItIsDestroyed) {
  int calls = 0;
  {
    Llm llm = made().open(options());
    const auto last_call = [&](Llm* of) {
      return std::shared_ptr<int>(new int(0), [&calls, of](const int* owned) {
        ++calls;
        of->step();
        std::ignore = of->submit(request(1));
        of->cancel(RequestId{1});
        delete owned;
      });
    };
    for (int i = 0; i < 2; ++i) {
      TextRequest asked = request();
      act_in(GetParam(), [owned = last_call(&llm)] { EXPECT_EQ(*owned, 0); }, asked);
      ASSERT_TRUE(llm.submit(std::move(asked)).ok());
      if (i == 0) llm.run();
      EXPECT_EQ(calls, 1);
    }
  }
  EXPECT_EQ(calls, 2);
}

INSTANTIATE_TEST_SUITE_P(All, LlmHook, ::testing::Values(Hook::kLogits, Hook::kMask, Hook::kChoice));

}  // namespace
}  // namespace cairn
