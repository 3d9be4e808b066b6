// The events of an engine: every decision about a request, in order, with its number; and that another thread can read
// them while the engine runs.
#include "engine/engine_event.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <ostream>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

using enum EngineEventKind;

struct Seen {
  EngineEventKind kind;
  std::optional<RequestId> request;
  int64_t value;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void PrintTo(const Seen& seen, std::ostream* out) {
  *out << "kind " << static_cast<int>(seen.kind) << " of " << seen.request.value_or(RequestId{}).value << ": "
       << seen.value;
}

constexpr Seen of_step(EngineEventKind kind, int64_t value) { return {kind, {}, value}; }
constexpr int64_t value_of(FinishReason reason) { return static_cast<int64_t>(reason); }
constexpr int64_t value_of(RequestId id) { return static_cast<int64_t>(id.value); }

std::vector<Seen> all_events(const Engine& engine) {
  std::vector<EngineEvent> events(kEngineEventCapacity);
  const EventRead read = engine.events().read(0, events);
  EXPECT_EQ(read.missed, 0U);
  std::vector<Seen> seen;
  for (const EngineEvent& event : std::span(events).first(read.count)) {
    seen.push_back({event.kind, event.request, event.value});
  }
  return seen;
}

std::vector<Seen> events_of(const Engine& engine, std::optional<RequestId> id) {
  std::vector<Seen> seen = all_events(engine);
  std::erase_if(seen, [&](const Seen& event) { return event.request != id; });
  return seen;
}

RequestId submit(Engine& engine, std::vector<TokenId> prompt, int64_t max_tokens) {
  return engine.submit({.prompt = std::move(prompt), .max_tokens = max_tokens, .ignore_end_tokens = true})
      .value();
}

TEST(EngineEvents, ShowTwoRequestsBehindOnePrefix) {
  ManualClock clock;
  clock.advance_ns(1000);
  auto [engine, pass] =
      make_fake_engine({.context = 128, .max_sequences = 2, .prefill_chunk = 64, .clock = &clock});
  const RequestId a = submit(*engine, some_prompt(1, 70), 2);
  const RequestId b = submit(*engine, some_prompt(1, 70), 2);
  for (int step = 0; step < 3; ++step) {
    engine->step();
    clock.advance_ns(10);
  }
  EXPECT_TRUE(engine->idle());
  EXPECT_EQ(all_events(*engine), (std::vector<Seen>{{kSubmitted, a, 70},
                                                    {kQueued, a, 70},
                                                    {kSubmitted, b, 70},
                                                    {kQueued, b, 70},
                                                    of_step(kStepBegun, 1000),
                                                    {kPlaced, a, 0},
                                                    {kWaitsForPrefix, b, value_of(a)},
                                                    {kRowsGranted, a, 64},
                                                    of_step(kScheduled, 64),
                                                    {kQueued, b, 70},
                                                    of_step(kStepBegun, 1010),
                                                    {kPlaced, b, 64},
                                                    {kRowsGranted, a, 6},
                                                    {kRowsGranted, b, 6},
                                                    of_step(kScheduled, 12),
                                                    of_step(kStepBegun, 1020),
                                                    of_step(kScheduled, 2),
                                                    {kEnded, a, value_of(FinishReason::kLength)},
                                                    {kEnded, b, value_of(FinishReason::kLength)}}));
}

TEST(EngineEvents, ShowWhatAPreemptedRequestLosesAndFinds) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 2, .pool_bytes = fake_blocks(4)});
  submit(*engine, some_prompt(1, 30), 60);
  const RequestId later = submit(*engine, some_prompt(2, 30), 60);
  run_until_idle(*engine);
  EXPECT_EQ(events_of(*engine, later), (std::vector<Seen>{{kSubmitted, later, 30},
                                                          {kQueued, later, 30},
                                                          {kPlaced, later, 0},
                                                          {kRowsGranted, later, 30},
                                                          {kPreempted, later, 64},
                                                          {kQueued, later, 65},
                                                          {kPlaced, later, 32},
                                                          {kRowsGranted, later, 33},
                                                          {kEnded, later, value_of(FinishReason::kLength)}}));
}

TEST(EngineEvents, ShowAForkInMidPrefillAndACancel) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 2, .prefill_chunk = 64});
  const RequestId parent = submit(*engine, some_prompt(1, 100), 20);
  engine->step();
  const RequestId child = engine->fork(parent, {.max_tokens = 20, .ignore_end_tokens = true}).value();
  engine->step();
  engine->step();
  ASSERT_TRUE(engine->cancel(child));
  EXPECT_EQ(events_of(*engine, child),
            (std::vector<Seen>{{kForked, child, value_of(parent)},
                               {kWaitsForPrefix, child, value_of(parent)},
                               {kPlaced, child, 99},
                               {kEnded, child, value_of(FinishReason::kCancelled)}}));
}

TEST(EngineEvents, ShowAWaitForTheCallerAndAPlaceTaken) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 1});
  const RequestId a =
      engine->submit({.prompt = some_prompt(1, 40), .max_tokens = 9, .picks = Picks::kByCaller}).value();
  engine->step();
  submit(*engine, some_prompt(2, 20), 1);
  engine->step();
  ASSERT_TRUE(engine->extend(a, {{5}}).ok());
  EXPECT_EQ(events_of(*engine, a), (std::vector<Seen>{{kSubmitted, a, 40},
                                                      {kQueued, a, 40},
                                                      {kPlaced, a, 0},
                                                      {kRowsGranted, a, 40},
                                                      {kAwaitsCaller, a, 40},
                                                      {kPlaceTaken, a, 40},
                                                      {kResumed, a, 41},
                                                      {kQueued, a, 41}}));
}

TEST(EngineEvents, ShowARequestThatOutgrowsTheMemory) {
  auto [engine, pass] = make_fake_engine({.context = 128, .max_sequences = 1, .pool_bytes = fake_blocks(1)});
  const RequestId id = submit(*engine, some_prompt(1, 30), 50);
  run_until_idle(*engine);
  EXPECT_EQ(events_of(*engine, id), (std::vector<Seen>{{kSubmitted, id, 30},
                                                       {kQueued, id, 30},
                                                       {kPlaced, id, 0},
                                                       {kRowsGranted, id, 30},
                                                       {kStarved, id, 32},
                                                       {kEnded, id, value_of(FinishReason::kError)}}));
}

TEST(EngineEvents, ShowAnIdleSessionThatGoes) {
  ManualClock clock;
  auto [engine, pass] = make_fake_engine({.context = 64, .max_sequences = 1, .clock = &clock});
  const SessionId session = engine->open_session().value();
  ASSERT_TRUE(engine->submit({.prompt = some_prompt(1, 8), .max_tokens = 0, .session = session}).ok());
  engine->step();
  submit(*engine, some_prompt(2, 8), 1);
  run_until_idle(*engine);
  EXPECT_EQ(events_of(*engine, {}),
            (std::vector<Seen>{of_step(kStepBegun, 0), of_step(kScheduled, 8), of_step(kStepBegun, 0),
                               of_step(kSessionDropped, static_cast<int64_t>(session.value)),
                               of_step(kScheduled, 8)}));
}

TEST(EngineEvents, ShowPassesThatFail) {
  auto [engine, pass] = make_fake_engine({.context = 64, .max_sequences = 1});
  pass->fails_at_layer = 0;
  const RequestId id = submit(*engine, some_prompt(2, 8), 1);
  for (int64_t failed = 1; failed <= 5; ++failed) {
    engine->step();
    const std::vector<Seen> seen = events_of(*engine, id);
    EXPECT_EQ(std::ranges::count(seen, kPassFailed, &Seen::kind), failed);
  }
  EXPECT_EQ(events_of(*engine, id).back(), (Seen{kEnded, id, value_of(FinishReason::kError)}));
}

// Reads until `stop`, and then what is left. Returns the number of events, seen or missed; nothing where steps went
// backwards.
template <typename Event>
std::optional<uint64_t> follow(const EventRing<Event>& ring, const std::atomic<bool>& stop) {
  std::array<Event, 32> into;
  uint64_t next = 0;
  uint64_t count = 0;
  int64_t step = 0;
  for (bool last = false;;) {
    const EventRead read = ring.read(next, into);
    next = read.next;
    count += read.count + read.missed;
    for (size_t i = 0; i < read.count; ++i) {
      if (into[i].step < step) return std::nullopt;
      step = into[i].step;
    }
    if (read.count > 0 || read.missed > 0) continue;
    if (last) return count;
    last = stop.load();
  }
}

TEST(EngineEvents, AreReadByAnotherThreadWhileTheEngineRuns) {
  auto [engine, pass] = make_fake_engine(
      {.context = 128, .max_sequences = 4, .prefill_chunk = 64, .pool_bytes = fake_blocks(10)});
  std::atomic<bool> stop{false};
  std::optional<uint64_t> engine_events;
  std::optional<uint64_t> kv_events;
  const auto& decisions = engine->events();
  const auto& blocks = engine->cache().events();
  std::thread engine_reader([&] { engine_events = follow(decisions, stop); });
  std::thread kv_reader([&] { kv_events = follow(blocks, stop); });
  for (uint64_t round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < 8; ++i) submit(*engine, branch_of(1, 40, round * 8 + i, 50), 40);
    run_until_idle(*engine);
  }
  stop = true;
  engine_reader.join();
  kv_reader.join();
  EXPECT_EQ(engine_events, engine->events().written());
  EXPECT_EQ(kv_events, engine->cache().events().written());
  EXPECT_GT(*engine_events, kEngineEventCapacity / 2);
}

}  // namespace
}  // namespace cairn
