// Many threads at one EngineThread, which is drained in the middle: whatever happens, each request that was
// taken ends once, and what it has reported is what the oracle says.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <iostream>

#include "base/random.h"
#include "base/sanitizer_testing.h"
#include "engine/engine_thread.h"
#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;

constexpr int kSubmitters = 8;
constexpr uint64_t kPrompts = 12;
constexpr int64_t kTokensMax = 40;

// They begin alike, so that requests share rows.
std::vector<TokenId> prompt_of(uint64_t index) {
  return branch_of(1, 33, index, 34 + static_cast<int64_t>(index) * 5);
}

struct Sent {
  uint64_t prompt = 0;
  int64_t max_tokens = 0;
  EngineThread::Ticket ticket;
  Heard heard;
};

// One thread's requests: sent, asked after and cancelled by chance, until the engine takes no more.
class Submitter {
 public:
  Submitter(EngineThread& thread, uint64_t seed) : thread_(thread), seed_(seed) {}

  void run(const std::atomic<bool>& draining) {
    while (!draining) {
      const uint64_t chance = draw(10);
      if (chance < 6) submit();
      if (chance == 6) ask();
      if (chance >= 7 && !sent_.empty())
        thread_.cancel(sent_[sent_.size() - 1 - draw(3) % sent_.size()].ticket);
      if (chance == 9) std::this_thread::yield();
    }
    // Nothing is lost between here and the end of the drain.
    for (int i = 0; i < 20; ++i) submit();
  }
  [[nodiscard]] const std::deque<Sent>& sent() const { return sent_; }

 private:
  uint64_t draw(uint64_t below) { return random_bits(seed_, 1, draws_++) % below; }

  void submit() {
    Sent& sent = sent_.emplace_back();
    sent.prompt = draw(kPrompts);
    sent.max_tokens = 1 + static_cast<int64_t>(draw(kTokensMax));
    Request request = make_request(prompt_of(sent.prompt), sent.max_tokens, sent.heard);
    if (draw(4) > 0) request.on_logits = nullptr;
    auto ticket = thread_.submit(std::move(request));
    if (ticket.ok()) {
      sent.ticket = *ticket;
      return;
    }
    EXPECT_EQ(ticket.status().code(), StatusCode::kResourceExhausted);
    sent_.pop_back();
    std::this_thread::yield();
  }

  void ask() {
    const auto sound = thread_.query([](Engine& engine) { return engine.cache().check().ok(); });
    if (sound.ok()) EXPECT_TRUE(*sound);
  }

  EngineThread& thread_;
  uint64_t seed_;
  uint64_t draws_ = 0;
  std::deque<Sent> sent_;  // elements stay where they are
};

// How many requests ended so.
struct Ends {
  int64_t whole = 0;
  int64_t cancelled = 0;
};

Ends expect_ends(const std::deque<Sent>& all, const std::vector<std::vector<TokenId>>& oracle) {
  Ends ends;
  for (const Sent& sent : all) {
    EXPECT_EQ(sent.heard.results.size(), 1u);
    if (sent.heard.results.size() != 1) continue;
    const auto& tokens = sent.heard.tokens;
    const auto& foretold = oracle[sent.prompt];
    EXPECT_LE(static_cast<int64_t>(tokens.size()), sent.max_tokens);
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), foretold.begin()));
    const RequestResult& result = sent.heard.results[0];
    const bool whole = result.reason == FinishReason::kLength;
    EXPECT_TRUE(whole || result.reason == FinishReason::kCancelled) << result.status.message();
    if (whole) EXPECT_EQ(static_cast<int64_t>(tokens.size()), sent.max_tokens);
    ++(whole ? ends.whole : ends.cancelled);
  }
  return ends;
}

void run_chaos(uint64_t seed, const std::vector<std::vector<TokenId>>& oracle, milliseconds work) {
  WorkerExecutor workers(2);
  auto thread = EngineThread::create(
      make_fake_engine(
          {.context = 256, .max_sequences = 6, .prefill_chunk = 48, .pool_bytes = fake_blocks(14)})
          .engine,
      workers.executor(), {.mailbox_capacity = 16, .max_requests = 40});
  ASSERT_TRUE(thread.ok()) << thread.status().message();
  std::deque<Submitter> submitters;
  std::vector<std::thread> threads;
  threads.reserve(kSubmitters);
  std::atomic<bool> draining{false};
  for (int i = 0; i < kSubmitters; ++i) {
    Submitter& submitter = submitters.emplace_back(**thread, seed * kSubmitters + static_cast<uint64_t>(i));
    threads.emplace_back([&submitter, &draining] { submitter.run(draining); });
  }
  std::this_thread::sleep_for(work);
  draining = true;
  (*thread)->drain(std::chrono::steady_clock::now() + milliseconds(3));
  for (std::thread& one : threads) one.join();
  workers.finish();

  Ends all;
  for (const Submitter& submitter : submitters) {
    const Ends ends = expect_ends(submitter.sent(), oracle);
    all.whole += ends.whole;
    all.cancelled += ends.cancelled;
  }
  EXPECT_GT(all.whole, 0);
  EXPECT_GT(all.cancelled, 0);
  EXPECT_LE(workers.queued_count_max(), 40) << "the executor's queue is bounded by the requests";
  std::cout << "seed " << seed << ": " << all.whole << " ended by length, " << all.cancelled
            << " cancelled\n";
}

TEST(EngineThreadChaos, EachRequestEndsOnceWithTheOraclesTokens) {
  std::vector<std::vector<TokenId>> oracle;
  for (uint64_t i = 0; i < kPrompts; ++i) oracle.push_back(oracle_tokens(prompt_of(i), kTokensMax));
  for (uint64_t seed = 1; seed <= 5; ++seed) run_chaos(seed, oracle, milliseconds(kSanitized ? 600 : 200));
}

}  // namespace
}  // namespace cairn
