#include "engine/schedule_trace.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "engine/schedule_trace_testing.h"

namespace cairn {
namespace {

// A crowd in few blocks, in steps of any size. How many requests lost rows.
int64_t run_crowd(uint64_t seed, ScheduleTrace& trace, int64_t& step_count) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t end) { return static_cast<int64_t>(random() % end); };
  EngineOptions options{.context = 160, .max_sequences = 5, .prefill_chunk = 40, .trace = &trace};
  options.kv_plan = KvPlan::parse(seed % 2 == 0 ? "f16" : "k=int8:channel,v=f32").value();
  options.pool_bytes = fake_blocks(7, options.kv_plan);
  auto [engine, pass] = make_fake_engine(options);
  std::vector<Heard> heard(12);
  for (size_t i = 0; i < heard.size(); ++i) {
    Request request = make_request(some_prompt(i, 1 + below(90)), below(60), heard[i]);
    if (i % 3 == 0) request.logits_wanted = LogitsWanted::kEveryPosition;
    EXPECT_TRUE(engine->submit(std::move(request)).ok());
  }
  for (; !engine->idle(); ++step_count) {
    engine->step({.prefill_rows = below(50), .score_rows = below(40)});
    EXPECT_TRUE(engine->cache().check().ok());
  }
  int64_t preemptions = 0;
  for (const Heard& one : heard) preemptions += one.results.at(0).stats.preemptions;
  return preemptions;
}

TEST(ScheduleTrace, ARecordedRunIsDecidedTheSameWayAgain) {
  int64_t preemptions = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    ScheduleTrace trace(1'000'000);
    int64_t step_count = 0;
    preemptions += run_crowd(seed, trace, step_count);
    const auto replayed = replay_schedule(trace.numbers());
    ASSERT_TRUE(replayed.ok()) << replayed.status().message();
    EXPECT_EQ(*replayed, step_count);
  }
  EXPECT_GT(preemptions, 10);  // memory was asked for, and taken back
}

// What was granted, and what was asked of the memory.
TEST(ScheduleTrace, AnotherDecisionIsNoticed) {
  ScheduleTrace trace(1'000'000);
  Scheduler scheduler(2);
  std::vector<SequenceNeed> needs = {{.held_rows = 5, .pending_rows = 1, .holds_memory = true, .served = 7},
                                     {.pending_rows = 40}};
  struct : RoomKeeper {
    Room make_room(int32_t) override { return Room::kOk; }
    [[nodiscard]] int64_t missing(int32_t) const override { return 0; }
    [[nodiscard]] int64_t freed_by(int32_t) const override { return 0; }
    void take_back(int32_t) override {}
  } room;
  const PaceNote pace{.before = {.decode_rows = 3, .prompt_rows = 90, .prompt_limit = 100, .ns = 12'345},
                      .decode_rows = 1,
                      .answer = 60};
  trace.schedule(scheduler, needs, {.prefill_rows = 8, .score_rows = 1}, room, &pace);
  const std::vector<int64_t> numbers = trace.numbers();
  EXPECT_EQ(numbers, (std::vector<int64_t>{3,  8,  1,  0,                      // limits
                                           14, 5,  1,  1,   0,      0, 0, 7,   // needs
                                           0,  40, 0,  0,   0,      0, 0,      //
                                           6,  0,  0,  0,   0,      1, 0,      // make_room, twice
                                           4,  0,  1,  1,   8,                 // grants
                                           0,  0,                              // starved, blocked
                                           6,  3,  90, 100, 12'345, 1, 60}));  // pace
  EXPECT_EQ(*replay_schedule(numbers), 1);
  for (const size_t at : {1U, 6U, 20U, 21U, 22U, 24U, 27U, 28U, 30U}) {
    std::vector<int64_t> other = numbers;
    ++other[at];
    EXPECT_FALSE(replay_schedule(other).ok()) << at;
  }
}

TEST(ScheduleTrace, KeepsTheLastStepsWithinItsBounds) {
  ScheduleTrace all(1'000'000);
  ScheduleTrace last(2'000);
  int64_t step_count = 0;
  run_crowd(3, all, step_count);
  run_crowd(3, last, step_count);
  const auto numbers = last.numbers();
  EXPECT_GT(numbers.size(), 2'000U);
  EXPECT_LE(numbers.size(), 4'000U);
  EXPECT_GT(*replay_schedule(numbers), 10);
  const auto everything = all.numbers();
  ASSERT_GT(everything.size(), numbers.size());
  EXPECT_TRUE(std::equal(numbers.rbegin(), numbers.rend(), everything.rbegin()));
}

TEST(ScheduleTrace, LeavesOutAStepThatIsTooLong) {
  ScheduleTrace none(4);
  ScheduleTrace some(60);
  int64_t step_count = 0;
  run_crowd(1, none, step_count);
  EXPECT_TRUE(none.numbers().empty());
  run_crowd(1, some, step_count);  // its first steps need more, its last ones less
  EXPECT_LE(some.numbers().size(), 120U);
  EXPECT_GT(*replay_schedule(some.numbers()), 0);
}

}  // namespace
}  // namespace cairn
