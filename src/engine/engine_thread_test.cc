#include "engine/engine_thread.h"

#include <gtest/gtest.h>
#include <time.h>

#include <future>
#include <stdexcept>
#include <string>

#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Far enough for any machine under any sanitizer, near enough for a test that hangs.
EngineThread::TimePoint in_a_while() { return steady_clock::now() + std::chrono::seconds(60); }

struct Running {
  explicit Running(const EngineThreadOptions& options = {}, int executor_threads = 2)
      : workers(executor_threads) {
    auto made = EngineThread::create(
        make_fake_engine({.context = 4096, .max_sequences = 4, .prefill_chunk = 64}).engine,
        workers.executor(), options);
    EXPECT_TRUE(made.ok()) << made.status().message();
    thread = std::move(*made);
  }
  // After this all listeners have been called.
  void finish() {
    thread->drain(in_a_while());
    workers.finish();
  }

  WorkerExecutor workers;
  std::unique_ptr<EngineThread> thread;
};

// Holds the loop between two steps until it is let go: what is sent meanwhile stays in the mailbox.
class HeldLoop {
 public:
  explicit HeldLoop(EngineThread& thread) {
    std::promise<void> begun;
    auto has_begun = begun.get_future();
    EXPECT_TRUE(thread
                    .ask([&begun, go = go_.get_future().share()](Engine&) {
                      begun.set_value();
                      go.wait();
                    })
                    .ok());
    has_begun.wait();
  }
  void let_go() { go_.set_value(); }

 private:
  std::promise<void> go_;
};

void expect_cancelled(const Heard& heard) {
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kCancelled);
}

void expect_error(const Heard& heard, StatusCode code) {
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kError);
  EXPECT_EQ(heard.results[0].status.code(), code) << heard.results[0].status.message();
}

TEST(EngineThread, GivesWhatALoneEngineGives) {
  Running running;
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
  Running running;
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
  Running running;
  ASSERT_TRUE(running.thread->submit({.prompt = some_prompt(1, 50), .max_tokens = 5}).ok());
  running.finish();
  EXPECT_EQ(running.workers.posted_count(), 0);
}

TEST(EngineThread, ReportsWhatTheEngineRefuses) {
  Running running;
  Heard empty;
  Heard foreign;
  ASSERT_TRUE(running.thread->submit(make_request({}, 5, empty)).ok());
  ASSERT_TRUE(running.thread->submit(make_request({1, kFakeVocab}, 5, foreign)).ok());
  running.finish();
  expect_error(empty, StatusCode::kInvalidArgument);
  expect_error(foreign, StatusCode::kInvalidArgument);
}

TEST(EngineThread, RefusesMailThatHasNoRoom) {
  Running running({.mailbox_capacity = 3});
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
  Running running({.mailbox_capacity = 3});
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
  Running running;
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

// Picked by the caller: the request waits, the loop sleeps, and a question wakes it.
TEST(EngineThread, GoesOnWhenAQuestionExtendsARequest) {
  Running running;
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
  Running running;
  Heard waiting;
  Request by_caller{.prompt = some_prompt(1, 5), .picks = Picks::kByCaller};
  by_caller.on_finish = [&](const RequestResult& result) { waiting.results.push_back(result); };
  const auto ticket = running.thread->submit(std::move(by_caller));
  ASSERT_TRUE(ticket.ok());
  const uint64_t before = loop_cpu_ns(*running.thread);
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_LT(loop_cpu_ns(*running.thread) - before, 100'000'000u);
  running.thread->cancel(*ticket);
  running.finish();
  expect_cancelled(waiting);
}

TEST(EngineThread, EndsARequestWhoseListenersAreTooSlow) {
  Running running({.undelivered_bytes = 16 * 50});
  running.workers.hold();
  Heard slow;
  Heard modest;
  Request request = make_request(some_prompt(1, 9), 4000, slow);
  request.on_logits = nullptr;
  request.on_text = nullptr;
  Request other = make_request(some_prompt(2, 9), 40, modest);
  other.on_logits = nullptr;
  other.on_text = nullptr;
  ASSERT_TRUE(running.thread->submit(std::move(request)).ok());
  ASSERT_TRUE(running.thread->submit(std::move(other)).ok());
  running.thread->drain(in_a_while());
  EXPECT_EQ(running.workers.queued_count_max(), 2) << "one delivery for each request";
  running.workers.finish();
  expect_error(slow, StatusCode::kResourceExhausted);
  EXPECT_EQ(slow.tokens, oracle_tokens(some_prompt(1, 9), 50));
  expect_oracle(modest, some_prompt(2, 9), 40);
}

TEST(EngineThread, CountsARequestUntilItsListenersHaveHeardTheEnd) {
  Running running({.max_requests = 2});
  running.workers.hold();
  std::vector<Heard> heard(4);
  const auto submit = [&](size_t i) {
    return running.thread->submit(make_request(some_prompt(i, 9), 3, heard[i]));
  };
  ASSERT_TRUE(submit(0).ok());
  ASSERT_TRUE(submit(1).ok());
  const auto idle = [](Engine& engine) { return engine.idle(); };
  while (!*running.thread->query(idle)) std::this_thread::yield();
  EXPECT_EQ(submit(2).status().code(), StatusCode::kResourceExhausted);
  running.workers.release();
  while (!submit(3).ok()) std::this_thread::yield();
  running.finish();
  for (const size_t i : {0, 1, 3}) expect_oracle(heard[i], some_prompt(i, 9), 3);
  EXPECT_TRUE(heard[2].results.empty());
}

TEST(EngineThread, DrainLetsRequestsEndAndRefusesNewOnes) {
  Running running;
  HeldLoop held(*running.thread);
  std::vector<Heard> heard(10);
  for (size_t i = 0; i < heard.size(); ++i) {
    ASSERT_TRUE(running.thread->submit(make_request(some_prompt(i, 20), 30, heard[i])).ok());
  }
  std::thread drainer([&] { running.thread->drain(in_a_while()); });
  Heard late;
  // Until the drain has begun, more are taken (which the engine will refuse).
  while (running.thread->submit(make_request({}, 1, late)).ok()) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_TRUE(running.thread->ask([](Engine&) {}).ok()) << "questions are taken until the loop is over";
  held.let_go();
  drainer.join();
  EXPECT_FALSE(running.thread->ask([](Engine&) {}).ok());
  running.workers.finish();
  for (size_t i = 0; i < heard.size(); ++i) expect_oracle(heard[i], some_prompt(i, 20), 30);
}

TEST(EngineThread, DrainCancelsTheRestAtTheDeadline) {
  Running running;
  Heard waiting;
  Request by_caller{.prompt = some_prompt(1, 5), .picks = Picks::kByCaller};  // nobody will extend it
  by_caller.on_finish = [&](const RequestResult& result) { waiting.results.push_back(result); };
  ASSERT_TRUE(running.thread->submit(std::move(by_caller)).ok());
  Heard quick;
  ASSERT_TRUE(running.thread->submit(make_request(some_prompt(2, 5), 3, quick)).ok());
  const auto deadline = steady_clock::now() + milliseconds(200);
  running.thread->drain(deadline);
  EXPECT_GE(steady_clock::now(), deadline);
  running.workers.finish();
  expect_cancelled(waiting);
  expect_oracle(quick, some_prompt(2, 5), 3);
}

TEST(EngineThread, ItsDestructorCancelsAll) {
  std::vector<Heard> heard(8);
  Running running;
  for (size_t i = 0; i < heard.size(); ++i) {
    Request request = make_request(some_prompt(i, 9), 4000, heard[i]);
    request.on_logits = nullptr;
    ASSERT_TRUE(running.thread->submit(std::move(request)).ok());
  }
  running.workers.hold();
  running.thread.reset();
  running.workers.finish();  // deliveries outlive the thread
  for (const Heard& one : heard) expect_cancelled(one);
}

TEST(EngineThread, AFailedLoopEndsAllRequestsOnce) {
  Running running;
  HeldLoop held(*running.thread);
  std::vector<Heard> heard(6);
  for (size_t i = 0; i < heard.size(); ++i) {
    if (i == 3) ASSERT_TRUE(running.thread->ask([](Engine&) { throw std::runtime_error("no luck"); }).ok());
    ASSERT_TRUE(running.thread->submit(make_request(some_prompt(i, 9), 4, heard[i])).ok());
  }
  std::thread asker([&] {  // its question is in the mailbox when the loop fails, most likely
    EXPECT_EQ(running.thread->query([](Engine&) { return 1; }).status().code(), StatusCode::kInternal);
  });
  std::this_thread::sleep_for(milliseconds(20));
  held.let_go();
  asker.join();
  EXPECT_EQ(running.thread->query([](Engine&) { return 1; }).status().code(), StatusCode::kInternal);
  running.finish();
  for (const Heard& one : heard) expect_error(one, StatusCode::kInternal);
  EXPECT_FALSE(running.thread->submit({.prompt = {1}}).ok());
}

TEST(EngineThread, RefusesOptionsWithoutRoom) {
  for (const EngineThreadOptions& options :
       {EngineThreadOptions{.mailbox_capacity = 0}, EngineThreadOptions{.max_requests = 0},
        EngineThreadOptions{.undelivered_bytes = 0}}) {
    const auto made =
        EngineThread::create(make_fake_engine({.context = 64}).engine, [](Delivery) {}, options);
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace cairn
