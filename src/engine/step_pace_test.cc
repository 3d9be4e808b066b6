#include "engine/step_pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/pace_limits.h"

namespace cairn {
namespace {

constexpr int64_t kPercent = kUsualPace;
constexpr int64_t kChunk = 512;
constexpr int64_t kPrompt = 4000;

// A machine: what a step takes, in ns. The weights are read once, however many rows there are; each row is computed, and
// looks back over what is before it.
struct Machine {
  int64_t read_ns = 40'000'000;
  int64_t row_ns = 2'000'000;
  int64_t depth_ns = 100;     // of a row, for each position before it
  double slowdown_max = 3.0;  // of streams beside a prompt: the bar of cairn bench pace

  [[nodiscard]] int64_t step_ns(int64_t streams, int64_t rows, int64_t depth) const {
    return std::max(read_ns, (streams + rows) * row_ns) + rows * depth * depth_ns;
  }
};

// What slows a step down, by its number; 1: nothing.
using Slowness = std::function<int64_t(int64_t step)>;
constexpr auto kSteady = [](int64_t) { return int64_t{1}; };

struct PromptRun {
  std::vector<int64_t> rows;  // of the prompt, in each step
  std::vector<int64_t> ns;    // what each took, without its slowness
  int64_t total_ns = 0;
};

// Quiet steps first, then a prompt beside as many streams.
PromptRun run_prompt(StepPace& pace, const Machine& machine, int64_t streams, int64_t quiet_steps,
                     const Slowness& slowness = kSteady) {
  for (int64_t i = 0; i < quiet_steps && streams > 0; ++i) {
    pace.note({.decode_rows = streams,
               .prompt_limit = pace.prompt_rows(streams),
               .ns = static_cast<uint64_t>(machine.step_ns(streams, 0, 0))});
  }
  PromptRun run;
  for (int64_t done = 0; done < kPrompt;) {
    const int64_t limit = pace.prompt_rows(streams);
    const int64_t rows = std::min(limit, kPrompt - done);
    const int64_t ns = machine.step_ns(streams, rows, done);
    const int64_t slow_ns = ns * slowness(std::ssize(run.rows));
    pace.note({.decode_rows = streams,
               .prompt_rows = rows,
               .prompt_limit = limit,
               .ns = static_cast<uint64_t>(slow_ns)});
    done += rows;
    run.rows.push_back(rows);
    run.ns.push_back(ns);
    run.total_ns += slow_ns;
  }
  return run;
}

double mean_ratio(const PromptRun& run, const Machine& machine, int64_t streams) {
  return static_cast<double>(run.total_ns) /
         static_cast<double>(std::ssize(run.ns) * machine.step_ns(streams, 0, 0));
}

TEST(StepPace, WithoutStreamsAStepHasAllRows) {
  StepPace pace(kPercent, kChunk);
  EXPECT_EQ(pace.prompt_rows(0), kChunk);
  pace.note({.decode_rows = 4, .prompt_rows = 100, .prompt_limit = 100, .ns = 1'000'000'000});
  EXPECT_EQ(pace.prompt_rows(0), kChunk);
}

class OnAMachine : public ::testing::TestWithParam<Machine> {};
INSTANTIATE_TEST_SUITE_P(
    Costs, OnAMachine,
    ::testing::Values(Machine{}, Machine{.read_ns = 40'000'000, .row_ns = 400'000},
                      Machine{.read_ns = 5'000'000, .row_ns = 2'000'000, .slowdown_max = 3.04},
                      Machine{.read_ns = 200'000, .row_ns = 1'000, .depth_ns = 0},
                      Machine{.row_ns = 1'000'000, .depth_ns = 1000}));

// On machines that a model describes: streams at a third of their pace at worst. Where no row is free, the one row of a step
// that measures decoding makes that look dearer than it is, and a step gets 1 % too much.
TEST_P(OnAMachine, StreamsKeepTheirPace) {
  for (const int64_t streams : {1, 4, 16}) {
    StepPace pace(kPercent, kChunk);
    const PromptRun run = run_prompt(pace, GetParam(), streams, 10);
    EXPECT_LE(mean_ratio(run, GetParam(), streams), GetParam().slowdown_max) << streams;
    // The work of a step with prompts is at least nearly what it may be.
    const int64_t quiet_ns = GetParam().step_ns(streams, 0, 0);
    const auto full = std::ranges::count_if(run.ns, [&](int64_t ns) { return ns > 2 * quiet_ns; });
    const bool is_capped = std::ranges::max(run.rows) == kChunk;
    EXPECT_TRUE(is_capped || full > std::ssize(run.ns) * 3 / 4)
        << streams << ": " << full << " of " << run.ns.size();
  }
}

TEST(StepPace, APromptIsNotMuchLaterThanAlone) {
  const Machine machine;
  StepPace alone(kPercent, kChunk);
  StepPace beside(kPercent, kChunk);
  const int64_t alone_ns = run_prompt(alone, machine, 0, 0).total_ns;
  EXPECT_LE(run_prompt(beside, machine, 4, 10).total_ns, alone_ns * 3 / 2);
}

// A prompt that comes with the streams: what decoding takes is measured at the price of a step.
TEST(StepPace, LearnsWithoutAQuietStep) {
  const Machine machine;
  StepPace pace(kPercent, kChunk);
  const PromptRun run = run_prompt(pace, machine, 4, 0);
  EXPECT_EQ(run.rows[0], 1);
  EXPECT_GE(run.rows[6], 32);
  EXPECT_LE(mean_ratio(run, machine, 4), 3.0);
}

// Rows that decode and those of prompts fill the kernels' tiles of four together.
TEST(StepPace, TilesAreFilled) {
  const Machine machine{.read_ns = 40'000'000, .row_ns = 10'000'000};
  for (const int64_t streams : {1, 4, 6, 7}) {
    StepPace pace(kPercent, kChunk);
    const PromptRun run = run_prompt(pace, machine, streams, 10);
    for (size_t i = 5; i + 1 < run.rows.size(); ++i) {
      const bool is_floor_or_probe = run.rows[i] <= 4;
      EXPECT_TRUE(is_floor_or_probe || (streams + run.rows[i]) % 4 == 0) << streams << " " << run.rows[i];
    }
  }
}

TEST(StepPace, OneSlowStepChangesNothing) {
  const Machine machine;
  StepPace steady(kPercent, kChunk);
  StepPace disturbed(kPercent, kChunk);
  const PromptRun expected = run_prompt(steady, machine, 4, 10);
  const PromptRun run = run_prompt(disturbed, machine, 4, 10,
                                   [](int64_t step) { return step == 20 ? int64_t{50} : int64_t{1}; });
  EXPECT_LE(std::abs(std::ssize(run.rows) - std::ssize(expected.rows)), 1);
}

// Of ten slow steps too little is known to tell them from a slow machine: rows go down to their floor, and come back.
TEST(StepPace, IsNotStuckAfterABurst) {
  const Machine machine;
  StepPace pace(kPercent, kChunk);
  const PromptRun run = run_prompt(
      pace, machine, 4, 10, [](int64_t step) { return 10 <= step && step < 20 ? int64_t{30} : int64_t{1}; });
  EXPECT_LE(run.rows[19], 8);
  ASSERT_GT(run.rows.size(), 40U);
  EXPECT_GE(*std::max_element(run.rows.begin() + 20, run.rows.begin() + 30), 40);
}

// The machine is ten times slower from some step on: decoding is measured anew, and rows come back.
TEST(StepPace, FollowsAMachineThatBecomesSlower) {
  const Machine machine;
  StepPace pace(kPercent, kChunk);
  const PromptRun run =
      run_prompt(pace, machine, 4, 10, [](int64_t step) { return step < 5 ? int64_t{1} : int64_t{10}; });
  ASSERT_GT(run.rows.size(), 60U);
  EXPECT_GE(*std::max_element(run.rows.begin() + 40, run.rows.begin() + 60), 40);
}

TEST(StepPace, ShortPromptsDoNotMisleadIt) {
  const Machine machine;
  StepPace pace(kPercent, kChunk);
  run_prompt(pace, machine, 4, 10);
  const int64_t before = pace.prompt_rows(4);
  for (int i = 0; i < 20; ++i) {
    pace.note({.decode_rows = 4, .prompt_rows = 3, .prompt_limit = before, .ns = 41'000'000});
  }
  EXPECT_EQ(pace.prompt_rows(4), before);
}

// A row costs ten times as much from now on, and only short prompts come: they are what tells it.
TEST(StepPace, ShortPromptsThatTakeTooLongLowerTheRows) {
  const Machine machine;
  const Machine slower{.row_ns = 10 * machine.row_ns};
  StepPace pace(kPercent, kChunk);
  run_prompt(pace, {.row_ns = 250'000, .depth_ns = 0}, 4, 10);
  const int64_t before = pace.prompt_rows(4);
  ASSERT_GT(before, 200);
  for (int i = 0; i < 6; ++i) {
    pace.note({.decode_rows = 4,
               .prompt_rows = before / 3,
               .prompt_limit = before,
               .ns = static_cast<uint64_t>(slower.step_ns(4, before / 3, 0))});
  }
  EXPECT_LT(pace.prompt_rows(4), before / 10);
}

// ... but one slow step changes nothing.
TEST(StepPace, OneSlowStepOfAShortPromptChangesNothing) {
  const Machine machine;
  StepPace pace(kPercent, kChunk);
  run_prompt(pace, machine, 4, 10);
  pace.note({.decode_rows = 4, .prompt_limit = 1, .ns = 40'000'000});  // decoding was measured just now
  const int64_t before = pace.prompt_rows(4);
  pace.note({.decode_rows = 4, .prompt_rows = 2, .prompt_limit = before, .ns = 4'000'000'000});
  EXPECT_NEAR(static_cast<double>(pace.prompt_rows(4)), static_cast<double>(before),
              static_cast<double>(before) / 10);
}

TEST(StepPace, NeverLessThanOneRowNorMoreThanTheChunk) {
  for (const int64_t chunk : {1, 3, 512}) {
    StepPace pace(100, chunk);  // nothing to spare
    for (const uint64_t ns : {0ull, 1ull, 1ull << 40}) {
      for (int i = 0; i < 50; ++i) {
        const int64_t limit = pace.prompt_rows(4);
        ASSERT_GE(limit, 1);
        ASSERT_LE(limit, chunk);
        pace.note({.decode_rows = 4, .prompt_rows = limit, .prompt_limit = limit, .ns = ns});
      }
    }
  }
}

}  // namespace
}  // namespace cairn
