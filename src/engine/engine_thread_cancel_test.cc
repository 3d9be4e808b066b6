// A client that goes away frees the memory of its request within one step, wherever the request is; and what a server asks
// about the engine meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <utility>

#include "engine/engine_thread.h"
#include "engine/engine_thread_testing.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

// An engine whose steps can be watched from inside: `on_forward` runs on the loop's thread, in the middle of a step.
struct Watched {
  Watched() {
    FakeEngine fake = make_fake_engine({.context = 4096, .max_sequences = 2, .prefill_chunk = 64});
    fake.pass->on_forward = [this](const Batch& batch) {
      ++steps;
      if (on_forward) on_forward(batch);
    };
    auto made = EngineThread::create(std::move(fake.engine), workers.executor(), {});
    EXPECT_TRUE(made.ok());
    thread = std::move(*made);
  }
  ~Watched() {
    thread.reset();
    workers.finish();
  }

  EngineSnapshot snapshot() {
    auto now = thread->query([](Engine& engine) {
      EXPECT_TRUE(engine.cache().check().ok());
      return engine.snapshot();
    });
    EXPECT_TRUE(now.ok());
    return *now;
  }

  WorkerExecutor workers{1};
  std::atomic<int64_t> steps = 0;
  std::function<void(const Batch&)> on_forward;  // set before the first request
  std::unique_ptr<EngineThread> thread;
};

TEST(EngineThreadCancel, InTheMiddleOfAStepFreesTheBlocksBeforeTheNextOne) {
  Watched watched;
  Heard heard;
  std::promise<EngineThread::Ticket> sent;
  auto ticket = sent.get_future().share();
  int64_t cancelled_in = 0;
  int64_t rows_after = 0;
  watched.on_forward = [&](const Batch& batch) {
    if (cancelled_in != 0) rows_after += std::ssize(batch.tokens);
    if (watched.steps == 3) {  // in the middle of its prompt
      watched.thread->cancel(ticket.get());
      cancelled_in = watched.steps;
    }
  };
  sent.set_value(*watched.thread->submit(make_request(some_prompt(1, 1000), 4, heard)));
  while (watched.snapshot().counts.steps < 3) std::this_thread::yield();
  const EngineSnapshot after = watched.snapshot();
  EXPECT_EQ(after.counts.steps, 3);
  EXPECT_EQ(rows_after, 0);
  EXPECT_EQ(after.used_bytes, 0u);
  EXPECT_EQ(after.blocks.open_blocks + after.blocks.held_blocks, 0);
  for (const int64_t count : after.requests) EXPECT_EQ(count, 0);
  watched.thread->drain(in_a_while());
  watched.workers.finish();
  expect_cancelled(heard);
}

TEST(EngineThreadCancel, OfWhatWaitsTakesNothing) {
  Watched watched;
  std::vector<Heard> heard(5);
  std::vector<EngineThread::Ticket> tickets;
  std::promise<void> both_run;
  bool is_set = false;
  watched.on_forward = [&](const Batch& batch) {
    if (batch.sequences.size() == 2 && !std::exchange(is_set, true)) both_run.set_value();
  };
  {
    HeldLoop held(*watched.thread);
    for (size_t i = 0; i < heard.size(); ++i) {
      Request request = make_request(some_prompt(i, 70), 4000, heard[i]);
      request.on_logits = nullptr;
      tickets.push_back(*watched.thread->submit(std::move(request)));
    }
    held.let_go();
  }
  both_run.get_future().wait();
  EngineSnapshot now = watched.snapshot();
  EXPECT_EQ(now.count_of(SequenceState::kRunning), 2);
  EXPECT_EQ(now.count_of(SequenceState::kQueued), 3);
  EXPECT_EQ(now.max_sequences, 2);
  EXPECT_EQ(now.groups.size(), 1u);
  EXPECT_EQ(now.used_bytes,
            static_cast<uint64_t>(now.blocks.open_blocks + now.blocks.held_blocks) * now.group_bytes[0]);
  for (size_t i = 2; i < 5; ++i) watched.thread->cancel(tickets[i]);  // queued
  now = watched.snapshot();
  EXPECT_EQ(now.count_of(SequenceState::kRunning), 2);
  EXPECT_EQ(now.count_of(SequenceState::kQueued), 0);
  watched.thread->cancel(tickets[0]);
  watched.thread->cancel(tickets[1]);
  now = watched.snapshot();
  EXPECT_EQ(now.used_bytes, 0u);
  EXPECT_EQ(now.counts.prompt_tokens, 140);
  EXPECT_EQ(now.counts.prompt_rows, 140);
  watched.thread->drain(in_a_while());
  watched.workers.finish();
  for (const Heard& one : heard) expect_cancelled(one);
}

TEST(EngineThreadCancel, ForksOfACancelledParentGoOn) {
  Watched watched;
  Heard parent;
  Heard child;
  EngineThread::Ticket ticket;
  {
    HeldLoop held(*watched.thread);
    ticket = *watched.thread->submit(make_request(some_prompt(1, 500), 4, parent));
    ASSERT_TRUE(watched.thread->fork(ticket, make_request({5}, 4, child)).ok());
    held.let_go();
  }
  while (watched.snapshot().counts.steps < 2) std::this_thread::yield();
  watched.thread->cancel(ticket);
  watched.thread->drain(in_a_while());
  watched.workers.finish();
  ASSERT_EQ(parent.results.size(), 1u);
  auto longer = some_prompt(1, 500);
  longer.push_back(5);
  expect_oracle(child, longer, 4);
}

}  // namespace
}  // namespace cairn
