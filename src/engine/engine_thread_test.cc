#include "engine/engine_thread.h"

#include <gtest/gtest.h>
#include <time.h>

#include <future>
#include <string>

#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

TEST(EngineThread, GivesWhatALoneEngineGives) {
  RunningThread running;
  std::vector<Heard> heard(9);
  for (size_t i = 0; i < heard.size(); ++i) {
    ASSERT_TRUE(running.thread->submit(make_request(some_prompt(i, 1 + 17 * i), 40, heard[i])).ok());
  }
  running.finish();

  auto lone = make_fake_engine({.context = 4096, .max_sequences = 4});
  for (size_t i = 0; i < heard.size(); ++i) {
    const auto prompt = some_prompt(i, 1 + 17 * i);
    expect_oracle(heard[i], prompt, 40);
    Heard expected;
    ASSERT_TRUE(lone.engine->submit(make_request(prompt, 40, expected)).ok());
    run_until_idle(*lone.engine);
    EXPECT_EQ(heard[i].text, expected.text);
    EXPECT_EQ(heard[i].logit_positions, expected.logit_positions);
    EXPECT_EQ(heard[i].logits, expected.logits);
  }
}

TEST(EngineThread, NeverCallsListenersOnItsOwnThread) {
  RunningThread running;
  const auto loop = running.thread->query([](Engine&) { return std::this_thread::get_id(); });
  ASSERT_TRUE(loop.ok());
  std::string order;
  std::vector<std::thread::id> callers;
  const auto note = [&](char what) {
    order += what;
    callers.push_back(std::this_thread::get_id());
  };
  Request request{.prompt = some_prompt(1, 5), .max_tokens = 3, .ignore_end_tokens = true};
  request.on_logits = [&](int64_t, std::span<const float>) { note('l'); };
  request.on_token = [&](TokenId) { note('t'); };
  request.on_finish = [&](const RequestResult&) { note('f'); };
  ASSERT_TRUE(running.thread->submit(std::move(request)).ok());
  running.finish();
  EXPECT_EQ(order, "ltltltf");
  for (const auto& caller : callers) EXPECT_NE(caller, *loop);
}

TEST(EngineThread, PostsNothingForARequestWithoutCallbacks) {
  RunningThread running;
  ASSERT_TRUE(running.thread->submit({.prompt = some_prompt(1, 50), .max_tokens = 5}).ok());
  running.finish();
  EXPECT_EQ(running.workers.posted_count(), 0);
}

TEST(EngineThread, ReportsWhatTheEngineRefuses) {
  RunningThread running;
  Heard empty;
  Heard foreign;
  ASSERT_TRUE(running.thread->submit(make_request({}, 5, empty)).ok());
  ASSERT_TRUE(running.thread->submit(make_request({1, kFakeVocab}, 5, foreign)).ok());
  running.finish();
  expect_error(empty, StatusCode::kInvalidArgument);
  expect_error(foreign, StatusCode::kInvalidArgument);
}

TEST(EngineThread, RefusesMailThatHasNoRoom) {
  RunningThread running({.mailbox_capacity = 3});
  HeldLoop held(*running.thread);
  std::vector<Heard> heard(4);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(running.thread->submit(make_request(some_prompt(i, 9), 4, heard[i])).ok());
  }
  const auto refused = running.thread->submit(make_request(some_prompt(3, 9), 4, heard[3]));
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(running.thread->ask([](Engine&) {}).code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(running.thread->query([](Engine&) { return 1; }).ok());
  held.let_go();
  running.finish();
  for (size_t i = 0; i < 3; ++i) expect_oracle(heard[i], some_prompt(i, 9), 4);
  EXPECT_TRUE(heard[3].results.empty());
}

TEST(EngineThread, CancelsWhatIsStillInTheMailbox) {
  RunningThread running({.mailbox_capacity = 3});
  HeldLoop held(*running.thread);
  std::vector<Heard> heard(3);
  std::vector<EngineThread::Ticket> tickets;
  for (Heard& one : heard) {
    const auto ticket = running.thread->submit(make_request(some_prompt(1, 9), 4, one));
    ASSERT_TRUE(ticket.ok());
    tickets.push_back(*ticket);
  }
  running.thread->cancel(tickets[1]);  // the mailbox is full
  running.thread->cancel(tickets[1]);
  held.let_go();
  running.finish();
  expect_oracle(heard[0], some_prompt(1, 9), 4);
  expect_cancelled(heard[1]);
  EXPECT_TRUE(heard[1].tokens.empty());
  expect_oracle(heard[2], some_prompt(1, 9), 4);
  running.thread->cancel(tickets[0]);  // does nothing
}

TEST(EngineThread, CancelsWhatRuns) {
  RunningThread running;
  Heard heard;
  std::promise<void> first;
  Request request = make_request(some_prompt(1, 9), 4000, heard);
  request.on_token = [&](TokenId token) {
    heard.tokens.push_back(token);
    if (heard.tokens.size() == 1) first.set_value();
  };
  request.on_logits = nullptr;
  const auto ticket = running.thread->submit(std::move(request));
  ASSERT_TRUE(ticket.ok());
  first.get_future().wait();
  running.thread->cancel(*ticket);
  // A question that comes later finds it ended.
  const auto live = running.thread->query(
      [&](Engine& engine) { return running.thread->id_of(*ticket).has_value() || !engine.waits(); });
  ASSERT_TRUE(live.ok());
  running.finish();
  expect_cancelled(heard);
  EXPECT_LT(heard.tokens.size(), 4000u);
}

TEST(EngineThread, RefusesAHookThatItWouldWaitFor) {
  RunningThread running;
  Request masked{.prompt = some_prompt(1, 9), .max_tokens = 4};
  masked.on_mask = [](TokenMask&) { FAIL(); };
  EXPECT_EQ(running.thread->submit(std::move(masked)).status().code(), StatusCode::kInvalidArgument);
  Request sound{.prompt = some_prompt(1, 9), .max_tokens = 4};
  Request masked_fork{.prompt = {}, .max_tokens = 4};
  masked_fork.on_mask = [](TokenMask&) { FAIL(); };
  std::vector<Request> forks;
  forks.push_back(std::move(masked_fork));
  EXPECT_EQ(running.thread->submit_with_forks(std::move(sound), std::move(forks)).status().code(),
            StatusCode::kInvalidArgument);
  running.finish();
}

// Picked by the caller: the request waits, the loop sleeps, and a question wakes it.
TEST(EngineThread, GoesOnWhenAQuestionExtendsARequest) {
  RunningThread running;
  Heard heard;
  std::promise<void> told;
  Request request{.prompt = some_prompt(1, 40), .max_tokens = 2, .picks = Picks::kByCaller};
  listen(request, heard);
  request.on_text = nullptr;
  request.on_logits = [&](int64_t position, std::span<const float> logits) {
    heard.logit_positions.push_back(position);
    if (heard.logit_positions.size() == 1) told.set_value();
  };
  const auto ticket = running.thread->submit(std::move(request));
  ASSERT_TRUE(ticket.ok());
  told.get_future().wait();
  const auto extend = [&](Engine& engine) {
    const auto id = running.thread->id_of(*ticket);
    return id.has_value() ? engine.extend(*id, std::vector<TokenId>{3, 4}) : not_found("ended");
  };
  const auto first = running.thread->query([&](Engine& engine) { return std::optional(extend(engine)); });
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE((*first)->ok()) << (*first)->message();
  running.finish();
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kLength);
  EXPECT_EQ(heard.results[0].stats.generated_tokens, 2);
}

// While the parent is in the mailbox, while it generates, and when it has ended.
TEST(EngineThread, ForksGoOnFromTheirParent) {
  RunningThread running;
  EngineThread& thread = *running.thread;
  const auto prompt = some_prompt(1, 40);
  Heard parent;
  Heard early;
  Heard amid;
  Heard late;
  EngineThread::Ticket ticket;
  {
    HeldLoop held(thread);
    ticket = *thread.submit(make_request(prompt, 200, parent));
    ASSERT_TRUE(thread.fork(ticket, make_request({7, 8}, 10, early)).ok());
    held.let_go();
  }
  const auto generated = [&](Engine& engine) {
    const auto id = thread.id_of(ticket);
    return id.has_value() ? engine.stats(*id)->generated_tokens : int64_t{200};
  };
  while (*thread.query(generated) == 0) std::this_thread::yield();
  ASSERT_TRUE(thread.fork(ticket, make_request({}, 10, amid)).ok());
  while (*thread.query(generated) < 200) std::this_thread::yield();
  ASSERT_TRUE(thread.fork(ticket, make_request({}, 10, late)).ok());
  running.finish();

  expect_oracle(parent, prompt, 200);
  auto longer = prompt;
  longer.insert(longer.end(), {7, 8});
  expect_oracle(early, longer, 10);
  ASSERT_EQ(amid.results.size(), 1U);
  if (amid.results[0].status.code() != StatusCode::kNotFound) {  // the parent was faster
    longer = prompt;
    const int64_t inherited = amid.results[0].stats.prompt_tokens - std::ssize(prompt);
    longer.insert(longer.end(), parent.tokens.begin(), parent.tokens.begin() + inherited);
    expect_oracle(amid, longer, 10);
  }
  expect_error(late, StatusCode::kNotFound);
}

uint64_t loop_cpu_ns(EngineThread& thread) {
  const auto now = thread.query([](Engine&) {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
  });
  EXPECT_TRUE(now.ok());
  return *now;
}

TEST(EngineThread, SleepsWhileThereIsNothingToDo) {
  RunningThread running;
  Heard waiting;
  Request by_caller{.prompt = some_prompt(1, 5), .picks = Picks::kByCaller};
  by_caller.on_finish = [&](const RequestResult& result) { waiting.results.push_back(result); };
  const auto ticket = running.thread->submit(std::move(by_caller));
  ASSERT_TRUE(ticket.ok());
  const uint64_t before = loop_cpu_ns(*running.thread);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(loop_cpu_ns(*running.thread) - before, 100'000'000u);
  running.thread->cancel(*ticket);
  running.finish();
  expect_cancelled(waiting);
}

TEST(EngineThread, RefusesOptionsWithoutRoom) {
  for (const EngineThreadOptions& options :
       {EngineThreadOptions{.mailbox_capacity = 0}, EngineThreadOptions{.max_requests = 0},
        EngineThreadOptions{.undelivered_bytes = 0}}) {
    const auto made =
        EngineThread::create(make_fake_engine({.context = 64}).engine, [](const Delivery&) {}, options);
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace cairn
