#include "engine/outbox.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

using Count = std::shared_ptr<std::atomic<int64_t>>;

Count no_count() { return std::make_shared<std::atomic<int64_t>>(0); }

// What was called, in one string.
Listeners log_to(std::string& log) {
  return {
      .on_begin =
          [&log](const RequestStats& stats) { log += "begin" + std::to_string(stats.reused_tokens) + " "; },
      .on_logits =
          [&log](int64_t position, std::span<const float> logits) {
            log += "L" + std::to_string(position) + "=";
            for (const float logit : logits) log += std::to_string(static_cast<int>(logit)) + ",";
            log += " ";
          },
      .on_choice =
          [&log](const TokenChoice& choice) {
            log += "c" + std::to_string(choice.token) + "=" +
                   std::to_string(static_cast<int>(choice.log_probability)) + "[";
            for (const TokenProbability& likely : choice.likeliest) {
              log += std::to_string(likely.token) + "=" +
                     std::to_string(static_cast<int>(likely.log_probability)) + ",";
            }
            log += "] ";
          },
      .on_token = [&log](TokenId token) { log += "t" + std::to_string(token) + " "; },
      .on_text = [&log](std::string_view text) { log += "'" + std::string(text) + "' "; },
      .on_finish =
          [&log](const RequestResult& result) {
            log += std::string(finish_reason_name(result.reason)) + " ";
          }};
}

TEST(Outbox, CallsListenersInTheOrderOfTheNotes) {
  std::string log;
  Outbox outbox(log_to(log), 1000, no_count());
  EXPECT_TRUE(outbox.add_logits(7, std::vector<float>{1, 2}));
  EXPECT_TRUE(outbox.add_token(5));
  EXPECT_TRUE(outbox.add_text("ab"));
  EXPECT_TRUE(outbox.add_logits(8, std::vector<float>{3}));
  EXPECT_TRUE(outbox.add_token(6));
  EXPECT_TRUE(outbox.add_text(""));
  EXPECT_TRUE(outbox.add_text("c"));
  outbox.deliver();
  EXPECT_EQ(log, "L7=1,2, t5 'ab' L8=3, t6 '' 'c' ");
  EXPECT_TRUE(outbox.add_token(9));
  outbox.finish({.reason = FinishReason::kLength});
  outbox.deliver();
  EXPECT_EQ(log, "L7=1,2, t5 'ab' L8=3, t6 '' 'c' t9 length ");
}

TEST(Outbox, CopiesTheBeginningAndTheChoices) {
  std::string log;
  Outbox outbox(log_to(log), 1000, no_count());
  {
    const RequestStats stats{.reused_tokens = 64, .kept_rows = std::vector<KvKeptRows>(2)};
    std::vector<TokenProbability> likeliest{{.token = 8, .log_probability = -1},
                                            {.token = 4, .log_probability = -2}};
    EXPECT_TRUE(outbox.add_begin(stats));
    EXPECT_TRUE(outbox.add_choice({.token = 4, .log_probability = -2, .likeliest = likeliest}));
    likeliest[0].token = 0;  // it was copied
    EXPECT_TRUE(outbox.add_token(4));
    EXPECT_TRUE(outbox.add_choice({.token = 5, .log_probability = -3}));
    EXPECT_TRUE(outbox.add_choice({.token = 6, .log_probability = -7, .likeliest = likeliest}));
  }
  outbox.deliver();
  EXPECT_EQ(log, "begin64 c4=-2[8=-1,4=-2,] t4 c5=-3[] c6=-7[0=-1,4=-2,] ");
}

TEST(Outbox, CountsTheProbabilitiesOfAChoice) {
  std::string log;
  const std::vector<TokenProbability> likeliest(20);
  Outbox outbox(log_to(log), 2 * (16 + 21 * sizeof(TokenProbability)), no_count());
  EXPECT_TRUE(outbox.add_choice({.likeliest = likeliest}));
  EXPECT_TRUE(outbox.add_choice({.likeliest = likeliest}));
  EXPECT_FALSE(outbox.add_choice({}));
}

TEST(Outbox, AsksForOneDeliveryAtATime) {
  std::string log;
  Outbox outbox(log_to(log), 1000, no_count());
  EXPECT_FALSE(outbox.needs_delivery());
  ASSERT_TRUE(outbox.add_token(1));
  EXPECT_TRUE(outbox.needs_delivery());
  ASSERT_TRUE(outbox.add_token(2));
  EXPECT_FALSE(outbox.needs_delivery());
  outbox.deliver();
  EXPECT_FALSE(outbox.needs_delivery());
  outbox.finish({.reason = FinishReason::kLength});
  EXPECT_TRUE(outbox.needs_delivery());
  outbox.deliver();
  EXPECT_FALSE(outbox.needs_delivery());
  EXPECT_EQ(log, "t1 t2 length ");
}

TEST(Outbox, RefusesWhatIsMoreThanItMayHoldAndReportsIt) {
  std::vector<TokenId> heard;
  std::vector<RequestResult> results;
  const Listeners listeners{.on_token = [&](TokenId token) { heard.push_back(token); },
                            .on_finish = [&](const RequestResult& result) { results.push_back(result); }};
  Outbox outbox(listeners, 16 * 10, no_count());  // ten notes
  for (TokenId i = 0; i < 10; ++i) EXPECT_TRUE(outbox.add_token(i));
  EXPECT_FALSE(outbox.add_token(10));
  outbox.deliver();
  EXPECT_EQ(heard.size(), 10u);
  EXPECT_FALSE(outbox.add_token(11)) << "what is heard has no hole";
  outbox.finish({.reason = FinishReason::kCancelled});
  outbox.deliver();
  EXPECT_EQ(heard.size(), 10u);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].reason, FinishReason::kError);
  EXPECT_EQ(results[0].status.code(), StatusCode::kResourceExhausted);
}

TEST(Outbox, CountsThePayload) {
  std::string log;
  Outbox texts(log_to(log), 100, no_count());
  EXPECT_TRUE(texts.add_text(std::string(84, 'x')));
  EXPECT_FALSE(texts.add_text(""));
  Outbox logits(log_to(log), 100, no_count());
  EXPECT_TRUE(logits.add_logits(0, std::vector<float>(21)));
  EXPECT_FALSE(logits.add_token(0));
}

// Notes are counted until their listeners have returned, not only until they are taken out.
TEST(Outbox, CountsWhatIsBeingDelivered) {
  bool taken_meanwhile = true;
  Outbox* outbox = nullptr;
  Outbox made({.on_token = [&](TokenId) { taken_meanwhile = outbox->add_token(2); }}, 16, no_count());
  outbox = &made;
  ASSERT_TRUE(made.add_token(1));
  made.deliver();
  EXPECT_FALSE(taken_meanwhile);
}

TEST(Outbox, IsOpenUntilTheLastListenerHasReturnedAndThenForgetsThem) {
  const Count count = no_count();
  const auto captured = std::make_shared<int>(0);
  int64_t open_in_finish = 0;
  Outbox outbox({.on_finish = [&, captured](const RequestResult&) { open_in_finish = *count; }}, 100, count);
  EXPECT_EQ(*count, 1);
  outbox.finish({.reason = FinishReason::kLength});
  EXPECT_EQ(*count, 1);
  ASSERT_TRUE(outbox.needs_delivery());
  outbox.deliver();
  EXPECT_EQ(open_in_finish, 1);
  EXPECT_EQ(*count, 0);
  EXPECT_EQ(captured.use_count(), 1);
}

TEST(Outbox, WithoutListenersNeedsNoDelivery) {
  const Count count = no_count();
  Outbox outbox({}, 100, count);
  outbox.finish({.reason = FinishReason::kLength});
  EXPECT_FALSE(outbox.needs_delivery());
  EXPECT_EQ(*count, 0);
}

TEST(Outbox, ThatIsDroppedIsNotOpen) {
  const Count count = no_count();
  {
    const Outbox outbox({.on_token = [](TokenId) {}}, 100, count);
  }
  EXPECT_EQ(*count, 0);
}

TEST(Outbox, KeepsTheOrderWhileAnotherThreadDelivers) {
  std::vector<TokenId> heard;
  bool finished = false;
  const Listeners listeners{.on_token = [&](TokenId token) { heard.push_back(token); },
                            .on_finish = [&](const RequestResult&) { finished = true; }};
  Outbox outbox(listeners, uint64_t{1} << 30, no_count());
  std::vector<std::thread> deliveries;  // each on a thread of its own
  const auto post = [&] {
    if (outbox.needs_delivery()) deliveries.emplace_back([&outbox] { outbox.deliver(); });
  };
  for (TokenId i = 0; i < 20000; ++i) {
    ASSERT_TRUE(outbox.add_token(i));
    if (i % 50 == 0) post();
  }
  outbox.finish({.reason = FinishReason::kLength});
  post();
  for (std::thread& thread : deliveries) thread.join();
  ASSERT_EQ(heard.size(), 20000u);
  for (size_t i = 0; i < heard.size(); ++i) ASSERT_EQ(heard[i], static_cast<TokenId>(i));
  EXPECT_TRUE(finished);
}

}  // namespace
}  // namespace cairn
