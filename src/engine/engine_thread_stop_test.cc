// How requests end when listeners are slow, and when the thread is drained or destroyed or fails.
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>

#include "engine/engine_thread.h"
#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(EngineThreadStop, EndsARequestWhoseListenersAreTooSlow) {
  RunningThread running({.undelivered_bytes = 16 * 50});
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

TEST(EngineThreadStop, CountsARequestUntilItsListenersHaveHeardTheEnd) {
  RunningThread running({.max_requests = 2});
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

TEST(EngineThreadStop, DrainLetsRequestsEndAndRefusesNewOnes) {
  RunningThread running;
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

TEST(EngineThreadStop, DrainCancelsTheRestAtTheDeadline) {
  RunningThread running;
  Heard waiting;
  Request by_caller{.prompt = some_prompt(1, 5), .picks = Picks::kByCaller};  // nobody will extend it
  by_caller.on_finish = [&](const RequestResult& result) { waiting.results.push_back(result); };
  ASSERT_TRUE(running.thread->submit(std::move(by_caller)).ok());
  Heard quick;
  std::promise<void> quick_has_ended;
  Request request = make_request(some_prompt(2, 5), 3, quick);
  request.on_finish = [&](const RequestResult& result) {
    quick.results.push_back(result);
    quick_has_ended.set_value();
  };
  ASSERT_TRUE(running.thread->submit(std::move(request)).ok());
  quick_has_ended.get_future().wait();
  const auto deadline = steady_clock::now() + milliseconds(100);
  running.thread->drain(deadline);
  EXPECT_GE(steady_clock::now(), deadline);
  running.workers.finish();
  expect_cancelled(waiting);
  expect_oracle(quick, some_prompt(2, 5), 3);
}

TEST(EngineThreadStop, ItsDestructorCancelsAll) {
  std::vector<Heard> heard(8);
  RunningThread running;
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

TEST(EngineThreadStop, AFailedLoopEndsAllRequestsOnce) {
  RunningThread running;
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

}  // namespace
}  // namespace cairn
