// What is promised of an engine that serves many, in a hundred thousand requests: nobody starves, nothing leaks, every
// request ends once, tenants get what their weights say; and a run can be replayed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/sanitizer_testing.h"
#include "engine/schedule_trace_testing.h"
#include "engine/simulator_testing.h"

namespace cairn {
namespace {

// Documents, chats and what is between, with weights that their sizes do not suggest.
std::vector<SimulatedTenant> some_tenants() {
  return {{.share = {.id = {1}, .weight = 1}, .prompt_min = 200, .prompt_max = 400, .tokens_max = 4},
          {.share = {.id = {2}, .weight = 2}, .prompt_max = 60, .tokens_max = 30},
          {.share = {.id = {3}, .weight = 5}},
          {.share = {.id = {4}, .weight = 3}, .prompt_max = 300, .tokens_max = 60, .prefix_count = 1}};
}

SimulatorOptions some_day(int64_t request_count) {
  return {.request_count = request_count,
          .tenants = some_tenants(),
          .trouble = {.cancelled = 20, .with_deadline = 10, .urgent = 50}};
}

// What a request of this tenant may see the engine compute before it ends: all that its own tenant had open, with the
// others' share of the same time, and as much again for what a window that is always full brings in meanwhile.
int64_t bearable_rows(const std::vector<SimulatedTenant>& tenants, const SimulatedTenant& tenant) {
  int64_t weights = 0;
  for (const SimulatedTenant& other : tenants) weights += other.share.weight;
  const int64_t own = (tenant.window + 1) * (tenant.prompt_max + tenant.tokens_max);
  return 2 * own * weights / tenant.share.weight;
}

// The first tenant that had to wait too long.
std::string starving_one(const SimulatorReport& report, const std::vector<SimulatedTenant>& tenants) {
  for (size_t i = 0; i < tenants.size(); ++i) {
    const int64_t bearable = bearable_rows(tenants, tenants[i]);
    if (report.tenants[i].longest_wait_rows <= bearable) continue;
    return fmt::format("tenant {} saw {} rows pass, {} are bearable", tenants[i].share.id.value,
                       report.tenants[i].longest_wait_rows, bearable);
  }
  return {};
}

TEST(Simulator, AHundredThousandRequests) {
  SimulatorOptions options = some_day(kSanitized ? 5'000 : 100'000);
  options.pool_blocks = 40;  // so little that streams which grow take memory from others
  const SimulatorReport report = simulate(options);
  EXPECT_LE(report.unfairness(options.tenants), 0.05);
  EXPECT_EQ(starving_one(report, options.tenants), "");
  EXPECT_GT(report.cancelled, 100);
  EXPECT_GT(report.late, 100);
  EXPECT_GT(report.preemptions, 100);
}

TEST(Simulator, KeepsItsPromisesAtAPace) {
  SimulatorOptions options = some_day(kSanitized ? 2'000 : 20'000);
  options.pace = 290;
  const SimulatorReport report = simulate(options);
  EXPECT_LE(report.unfairness(options.tenants), 0.05);
  EXPECT_EQ(starving_one(report, options.tenants), "");
}

TEST(Simulator, TheSameSeedIsTheSameDay) {
  SimulatorOptions options = some_day(2'000);
  options.pace = 290;
  options.trace_numbers = 10'000'000;
  const SimulatorReport first = simulate(options);
  const SimulatorReport second = simulate(options);
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(first.step_count, second.step_count);
  EXPECT_TRUE(first.trace == second.trace);
  const Result<int64_t> replayed = replay_schedule(first.trace);
  ASSERT_TRUE(replayed.ok()) << replayed.status().message();
  EXPECT_EQ(*replayed, first.step_count);
  const Result<int64_t> paced = replay_pace(first.trace, 290, 128);
  ASSERT_TRUE(paced.ok()) << paced.status().message();
  EXPECT_EQ(*paced, first.step_count);
  options.seed = 2;
  EXPECT_NE(simulate(options).digest, first.digest);
}

// An engine that was told other weights: a test that does not notice is no test.
TEST(Simulator, UnfairnessIsNoticed) {
  SimulatorOptions options = some_day(5'000);
  options.trouble = {};
  EXPECT_LE(simulate(options).unfairness(options.tenants), 0.05);
  options.planted.emplace();
  for (const SimulatedTenant& tenant : options.tenants) options.planted->push_back({.id = tenant.share.id});
  EXPECT_GT(simulate(options).unfairness(options.tenants), 0.2);
}

TEST(Simulator, StarvationIsNoticed) {
  SimulatorOptions options = some_day(5'000);
  options.trouble = {};
  options.planted.emplace();
  for (const SimulatedTenant& tenant : options.tenants) {
    options.planted->push_back({.id = tenant.share.id, .weight = tenant.share.weight == 2 ? 1 : 1000});
  }
  EXPECT_NE(starving_one(simulate(options), options.tenants), "");
}

// Memory for hardly more than one request: they take turns, and all end.
TEST(Simulator, LittleMemory) {
  SimulatorOptions options = some_day(2'000);
  options.pool_blocks = 20;
  const SimulatorReport report = simulate(options);
  EXPECT_EQ(starving_one(report, options.tenants), "");
  EXPECT_GT(report.preemptions, 0);
}

}  // namespace
}  // namespace cairn
