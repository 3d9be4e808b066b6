// Each allocation of an EngineThread's calls, and each of its loop's, fails in turn (allocation_failure_testing.h):
// every request that was taken ends once, and the loop goes on.
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

#include "base/no_throw.h"
#include "engine/allocation_failure_testing.h"
#include "engine/engine_thread.h"
#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr int64_t kTokens = 12;

std::unique_ptr<Engine> small_engine() {
  return make_fake_engine({.context = 256, .max_sequences = 4, .prefill_chunk = 64}).engine;
}

// Its executor has the memory that it needs.
struct Scene {
  explicit Scene(const EngineThreadOptions& options = {.mailbox_capacity = 16, .max_requests = 32}) {
    auto made = EngineThread::create(small_engine(), sound_executor(), options);
    EXPECT_TRUE(made.ok()) << made.status().message();
    thread = std::move(*made);
  }
  Executor sound_executor() {
    return [inner = workers.executor()](Delivery delivery) {
      const SoundAllocations sound;
      inner(std::move(delivery));
    };
  }
  Request request(uint64_t seed, int64_t max_tokens, Heard& heard) const {
    return make_request(some_prompt(seed, 40), max_tokens, heard);
  }
  void wait_until_idle() const {
    while (!*thread->query([](Engine& engine) { return engine.idle(); })) std::this_thread::yield();
  }
  // The loop works as if nothing had been.
  void finish() {
    Heard later;
    EXPECT_TRUE(thread->submit(request(9, kTokens, later)).ok());
    thread->drain(in_a_while());
    workers.finish();
    expect_oracle(later, some_prompt(9, 40), kTokens);
  }

  WorkerExecutor workers{1};
  std::unique_ptr<EngineThread> thread;
};

// Once: as it should be, or for want of memory.
void expect_end(const Heard& heard, FinishReason reason) {
  ASSERT_EQ(heard.results.size(), 1U);
  const RequestResult& result = heard.results[0];
  if (result.reason == FinishReason::kError) {
    EXPECT_EQ(result.status.code(), StatusCode::kResourceExhausted) << result.status.message();
  } else {
    EXPECT_EQ(result.reason, reason);
  }
}

void expect_whole_or_exhausted(const Heard& heard, uint64_t seed) {
  expect_end(heard, FinishReason::kLength);
  if (heard.results.at(0).reason == FinishReason::kLength) {
    EXPECT_EQ(heard.tokens, oracle_tokens(some_prompt(seed, 40), kTokens));
  }
}

// ---- of the loop ----------------------------------------------------------------------------------

// From the round of mail on in which it is armed.
class LoopFault {
 public:
  void arm(EngineThread& thread, int64_t n, FailingAllocations which) {
    EXPECT_TRUE(thread.ask([this, n, which](Engine&) { fault_.emplace(n, which); }).ok());
  }
  // Whether an allocation failed.
  bool disarm(EngineThread& thread) {
    const auto happened = thread.query([this](Engine&) {
      fault_.reset();
      return AllocationFault::happened();
    });
    EXPECT_TRUE(happened.ok()) << "the loop has failed: " << happened.status().message();
    return happened.ok() && *happened;
  }

 private:
  std::optional<AllocationFault> fault_;  // of the loop's thread
};

// What the requests of a run have reported.
struct LoopRun {
  Heard whole;
  Heard child;
  Heard refused;
  Heard cancelled_in_the_mail;
  Heard cancelled;
  int asked = 0;

  // All in one round of mail, in which the fault is armed first.
  void send(const Scene& scene, LoopFault& fault, int64_t n, FailingAllocations which) {
    EngineThread& thread = *scene.thread;
    HeldLoop held(thread);
    fault.arm(thread, n, which);
    const auto parent = thread.submit(scene.request(1, kTokens, whole));
    EXPECT_TRUE(parent.ok());
    EXPECT_TRUE(thread.fork(*parent, make_request({}, kTokens, child)).ok());
    EXPECT_TRUE(thread.submit(make_request({}, 1, refused)).ok());
    thread.cancel(*thread.submit(scene.request(2, kTokens, cancelled_in_the_mail)));
    EXPECT_TRUE(thread.ask([this](Engine&) { ++asked; }).ok());
    const auto long_one = thread.submit(scene.request(3, 200, cancelled));
    EXPECT_TRUE(long_one.ok());
    EXPECT_TRUE(thread.ask([&thread, ticket = *long_one](Engine&) { thread.cancel(ticket); }).ok());
    held.let_go();
  }

  void expect_ends() const {
    EXPECT_EQ(asked, 1);
    expect_whole_or_exhausted(whole, 1);
    ASSERT_EQ(child.results.size(), 1U);
    if (child.results[0].status.code() == StatusCode::kNotFound) {
      EXPECT_EQ(whole.results[0].reason, FinishReason::kError) << "there was nothing to fork";
    } else {
      expect_whole_or_exhausted(child, 1);
    }
    ASSERT_EQ(refused.results.size(), 1U);
    EXPECT_EQ(refused.results[0].reason, FinishReason::kError);
    expect_end(cancelled_in_the_mail, FinishReason::kCancelled);
    expect_end(cancelled, FinishReason::kCancelled);
  }
};

TEST(EngineThreadAllocations, OfTheLoop) {
  for_each_failure([](int64_t n, FailingAllocations which) {
    LoopRun run;
    Scene scene;
    LoopFault fault;
    run.send(scene, fault, n, which);
    scene.wait_until_idle();
    const bool happened = fault.disarm(*scene.thread);
    scene.finish();
    run.expect_ends();
    return Attempt{.had_failure = happened};
  });
}

TEST(EngineThreadAllocations, OfADrainNothingIsNeeded) {
  std::deque<Heard> heard(6);
  Scene scene;
  HeldLoop held(*scene.thread);
  LoopFault fault;
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(scene.thread->submit(scene.request(i, 200, heard[i])).ok());
  }
  fault.arm(*scene.thread, 1, FailingAllocations::kAllFromThere);
  for (size_t i = 3; i < 6; ++i) {
    EXPECT_TRUE(scene.thread->submit(scene.request(i, 200, heard[i])).ok());
  }
  held.let_go();
  scene.thread->drain(EngineThread::TimePoint::min());
  scene.workers.finish();
  for (const Heard& one : heard) expect_end(one, FinishReason::kCancelled);
}

// A question throws, and there is no memory for anything, not even for saying so.
TEST(EngineThreadAllocations, OfALoopThatFailsNothingIsNeeded) {
  std::deque<Heard> heard(6);
  Scene scene({.mailbox_capacity = 16, .max_requests = 6});
  EngineThread& thread = *scene.thread;
  auto error =
      std::make_exception_ptr(std::runtime_error("a sentence that is longer than a string's own room"));
  HeldLoop held(thread);
  LoopFault fault;
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(thread.submit(scene.request(i, kTokens, heard[i])).ok());
  fault.arm(thread, 1, FailingAllocations::kAllFromThere);
  EXPECT_TRUE(thread.ask([error](Engine&) { std::rethrow_exception(error); }).ok());
  for (size_t i = 3; i < 6; ++i) EXPECT_TRUE(thread.submit(scene.request(i, kTokens, heard[i])).ok());
  std::thread asker([&] {  // its question is never asked
    EXPECT_EQ(thread.query([](Engine&) { return 1; }).status().code(), StatusCode::kInternal);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  held.let_go();
  asker.join();
  thread.drain(in_a_while());
  scene.workers.finish();
  for (const Heard& one : heard) expect_error(one, StatusCode::kResourceExhausted);
}

// An executor that throws ends the loop; what it takes then is still delivered.
TEST(EngineThreadAllocations, OfAnExecutorThatThrows) {
  for (const int failures : {1, 2}) {
    std::deque<Heard> heard(3);
    WorkerExecutor workers(1);
    int left = failures;
    auto thread = EngineThread::create(small_engine(),
                                       [&left, inner = workers.executor()](Delivery delivery) {
                                         if (left-- > 0) throw std::bad_alloc();
                                         inner(std::move(delivery));
                                       },
                                       {});
    ASSERT_TRUE(thread.ok());
    HeldLoop held(**thread);
    for (size_t i = 0; i < heard.size(); ++i) {
      EXPECT_TRUE((*thread)->submit(make_request(some_prompt(i, 9), kTokens, heard[i])).ok());
    }
    held.let_go();
    (*thread)->drain(in_a_while());
    EXPECT_EQ((*thread)->submit({.prompt = {1}}).status().code(), StatusCode::kResourceExhausted);
    thread->reset();
    workers.finish();
    for (const Heard& one : heard) expect_error(one, StatusCode::kResourceExhausted);
  }
}

// ---- of those who call ----------------------------------------------------------------------------

TEST(EngineThreadAllocations, OfCreate) {
  for_each_failure([&](int64_t n, FailingAllocations which) {
    auto engine = small_engine();
    Executor executor = [](const Delivery&) {};
    Attempt tried = attempt(
        n, which, [&] { return EngineThread::create(std::move(engine), std::move(executor), {}).status(); });
    (void)expect_no_throw(tried);
    return tried;
  });
}

// A call that returns a Status; what it returns must be ok, or say that there is no memory.
void expect_survived(auto&& call) {
  Scene scene;
  for_each_failure([&](int64_t n, FailingAllocations which) {
    Attempt tried = attempt(n, which, [&] { return call(*scene.thread); });
    (void)expect_no_throw(tried);
    return tried;
  });
  scene.wait_until_idle();
  scene.finish();
}

TEST(EngineThreadAllocations, OfAsk) {
  int asked = 0;
  int taken = 0;
  expect_survived([&](EngineThread& thread) {
    const std::array<int64_t, 8> ballast{};  // too large for a std::function's own room
    Status status = no_throw([&] {
      return thread.ask([&asked, ballast](Engine&) { asked += 1 + static_cast<int>(ballast[0]); });
    });
    taken += status.ok() ? 1 : 0;
    return status;
  });
  EXPECT_EQ(asked, taken);
}

TEST(EngineThreadAllocations, OfQuery) {
  expect_survived([](EngineThread& thread) { return thread.query([](Engine&) { return 1; }).status(); });
}

TEST(EngineThreadAllocations, OfCancelNothingIsNeeded) {
  Heard heard;
  Scene scene;
  const auto ticket = scene.thread->submit(scene.request(1, 200, heard));
  ASSERT_TRUE(ticket.ok());
  const Attempt tried = attempt(1, FailingAllocations::kAllFromThere, [&] {
    scene.thread->cancel(*ticket);
    return Status();
  });
  EXPECT_FALSE(tried.threw || tried.had_failure);
  scene.finish();
  expect_end(heard, FinishReason::kCancelled);
}

// What a refused request owns may call the thread when it is destroyed.
struct LastCall {
  std::function<void()> call;
  ~LastCall() { call(); }
};

TEST(EngineThreadAllocations, OfSubmitAndFork) {
  for (const bool forks : {false, true}) {
    for_each_failure([&](int64_t n, FailingAllocations which) {
      Heard parent;
      Heard heard;
      Scene scene;
      EngineThread& thread = *scene.thread;
      const auto ticket = thread.submit(scene.request(1, kTokens, parent));
      int called = 0;
      Request request = forks ? make_request({9}, kTokens, heard) : scene.request(2, kTokens, heard);
      request.on_text = [last_call = std::make_shared<LastCall>([&] {
                           const SoundAllocations sound;
                           ++called;
                           const auto reply = thread.query([](Engine&) { return 1; });
                           EXPECT_TRUE(reply.ok() || reply.status().code() == StatusCode::kResourceExhausted);
                         })](std::string_view) {};
      const Attempt tried = attempt(n, which, [&] {
        return (forks ? thread.fork(*ticket, std::move(request)) : thread.submit(std::move(request)))
            .status();
      });
      if (!expect_no_throw(tried)) return tried;
      request = {};
      EXPECT_TRUE(tried.status.ok() || called == 1);
      scene.finish();
      EXPECT_EQ(heard.results.size(), tried.status.ok() ? 1U : 0U);
      expect_oracle(parent, some_prompt(1, 40), kTokens);
      return tried;
    });
  }
}

// Refused mail, and no memory for the words.
TEST(EngineThreadAllocations, OfRefusals) {
  Scene scene({.mailbox_capacity = 1, .max_requests = 1});
  Heard heard;
  HeldLoop held(*scene.thread);
  EXPECT_TRUE(scene.thread->submit(scene.request(1, kTokens, heard)).ok());
  for_each_failure([&](int64_t n, FailingAllocations which) {
    const Attempt tried = attempt(n, which, [&] {
      const Status asked = scene.thread->ask([](Engine&) {});
      const auto submitted = scene.thread->submit({});
      EXPECT_FALSE(asked.ok() || submitted.ok());
      return Status();
    });
    EXPECT_FALSE(tried.threw);
    return tried;
  });
  held.let_go();
  scene.thread->drain(in_a_while());
  scene.workers.finish();
  expect_oracle(heard, some_prompt(1, 40), kTokens);
}

}  // namespace
}  // namespace cairn
