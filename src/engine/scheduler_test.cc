#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace cairn {
namespace {

// So many units of memory; a sequence needs as many as it has rows, held and pending.
class FakeRoom final : public RoomKeeper {
 public:
  FakeRoom(std::span<const SequenceNeed> needs, int64_t units) : units_(units) {
    for (const SequenceNeed& need : needs) {
      total_.push_back(need.held_rows + need.pending_rows);
      taken_.push_back(need.holds_memory ? need.held_rows : 0);
    }
  }
  Room make_room(int32_t index) override {
    const auto i = static_cast<size_t>(index);
    if (used() - taken_[i] + total_[i] > units_) return Room::kNoRoom;
    taken_[i] = total_[i];
    return Room::kOk;
  }
  [[nodiscard]] int64_t missing(int32_t index) const override {
    const auto i = static_cast<size_t>(index);
    return used() - taken_[i] + total_[i] - units_;
  }
  [[nodiscard]] int64_t freed_by(int32_t index) const override { return taken_[static_cast<size_t>(index)]; }
  void take_back(int32_t index) override {
    taken_[static_cast<size_t>(index)] = 0;
    taken_back.push_back(index);
  }
  [[nodiscard]] int64_t used() const {
    int64_t sum = 0;
    for (const int64_t taken : taken_) sum += taken;
    return sum;
  }

  std::vector<int32_t> taken_back;

 private:
  int64_t units_;
  std::vector<int64_t> total_;
  std::vector<int64_t> taken_;
};

std::vector<std::pair<int32_t, int32_t>> pairs(std::span<const RowGrant> grants) {
  std::vector<std::pair<int32_t, int32_t>> result;
  for (const RowGrant& grant : grants) result.emplace_back(grant.sequence, grant.row_count);
  return result;
}

using Pairs = std::vector<std::pair<int32_t, int32_t>>;

SequenceNeed waiting(int64_t pending) { return {.pending_rows = pending}; }
SequenceNeed running(int64_t held, int64_t pending) {
  return {.held_rows = held, .pending_rows = pending, .holds_memory = true};
}

TEST(Scheduler, MixesPromptsInChunksWithDecoding) {
  const StepLimits limits{.prefill_rows = 8, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {running(5, 1), running(4, 6), running(7, 1),
                                     waiting(20),   waiting(3),    waiting(1)};
  FakeRoom room(needs, 1000);
  const auto plan = scheduler.schedule(needs, limits, room);
  // A quarter of the budget goes to the shortest prompt first.
  EXPECT_EQ(pairs(plan.grants), (Pairs{{0, 1}, {1, 6}, {2, 1}, {4, 2}, {5, 1}}));
  EXPECT_FALSE(plan.starved.has_value());
}

// Behind a block's end a prompt is cut only at another one's.
TEST(Scheduler, CutsPromptsAtTheEndsOfBlocks) {
  const StepLimits limits{.prefill_rows = 50, .score_rows = 1};
  Scheduler scheduler(8, PromptCuts::kAtBlockEnds);
  const auto rows_of = [&](int64_t held, int64_t pending) {
    std::vector<SequenceNeed> needs = {running(held, pending)};
    FakeRoom room(needs, 1000);
    return scheduler.schedule(needs, limits, room).grants[0].row_count;
  };
  EXPECT_EQ(rows_of(0, 200), 32);
  EXPECT_EQ(rows_of(31, 200), 33);
  EXPECT_EQ(rows_of(32, 200), 32);
  EXPECT_EQ(rows_of(20, 50), 44);  // also the last rows of all, behind a block that was begun
  EXPECT_EQ(rows_of(32, 50), 50);
  EXPECT_EQ(rows_of(14, 200), 50);
}

TEST(Scheduler, NeverCutsAPromptWhereThatIsForbidden) {
  const StepLimits limits{.prefill_rows = 8, .score_rows = 1};
  Scheduler scheduler(8, PromptCuts::kNowhere);
  std::vector<SequenceNeed> needs = {waiting(6), waiting(3), waiting(2)};
  FakeRoom room(needs, 1000);
  EXPECT_EQ(pairs(scheduler.schedule(needs, limits, room).grants), (Pairs{{0, 6}, {2, 2}}));
}

TEST(Scheduler, LimitsRowsThatAreScored) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 4};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {waiting(10), waiting(10), waiting(5)};
  needs[0].unscored_rows = 3;   // seven rows were scored before: all ten may run
  needs[1].unscored_rows = 10;  // one score row is left
  FakeRoom room(needs, 1000);
  EXPECT_EQ(pairs(scheduler.schedule(needs, limits, room).grants), (Pairs{{0, 10}, {1, 1}, {2, 5}}));
}

SequenceNeed scored(SequenceNeed need) {
  need.unscored_rows = need.pending_rows;
  return need;
}

Pairs granted(std::vector<SequenceNeed> needs, const StepLimits& limits) {
  Scheduler scheduler(8);
  FakeRoom room(needs, 100'000);
  return pairs(scheduler.schedule(needs, limits, room).grants);
}

TEST(Scheduler, AQuarterOfTheScoredRowsGoesToTheShortest) {
  const StepLimits limits{.prefill_rows = 512, .score_rows = 32};
  EXPECT_EQ(granted({scored(waiting(3000))}, limits), (Pairs{{0, 32}}));
  EXPECT_EQ(granted({scored(waiting(3000)), scored(waiting(60))}, limits), (Pairs{{0, 24}, {1, 8}}));
  EXPECT_EQ(granted({scored(waiting(3000)), scored(waiting(60)), scored(waiting(5))}, limits),
            (Pairs{{0, 24}, {1, 3}, {2, 5}}));
  // The shortest comes first anyway, and what it leaves is for the others.
  EXPECT_EQ(granted({scored(waiting(5)), scored(waiting(3000))}, limits), (Pairs{{0, 5}, {1, 27}}));
  // Prompts whose logits nobody wants do not share them.
  EXPECT_EQ(granted({scored(waiting(3000)), waiting(3000)}, limits), (Pairs{{0, 32}, {1, 480}}));
}

TEST(Scheduler, TheShortestHasAShareOfTheSmallestStep) {
  const Pairs both = {{0, 1}, {1, 1}};
  EXPECT_EQ(granted({waiting(90), waiting(9)}, {.prefill_rows = 2, .score_rows = 1}), both);
  EXPECT_EQ(granted({scored(waiting(90)), scored(waiting(9))}, {.prefill_rows = 64, .score_rows = 2}), both);
  EXPECT_EQ(granted({waiting(90), waiting(9)}, {.prefill_rows = 1, .score_rows = 1}), (Pairs{{0, 1}}));
}

// However many rows are scored before it.
TEST(Scheduler, ASingleRowRunsThoughItIsScored) {
  const StepLimits limits{.prefill_rows = 512, .score_rows = 4};
  EXPECT_EQ(granted({scored(waiting(3000)), scored(running(9, 1)), scored(running(8, 1))}, limits),
            (Pairs{{0, 4}, {1, 1}, {2, 1}}));
}

TEST(Scheduler, TheLastToComeGivesWay) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {running(5, 1), running(5, 1), running(5, 1)};
  FakeRoom room(needs, 15);
  const auto plan = scheduler.schedule(needs, limits, room);
  EXPECT_EQ(pairs(plan.grants), (Pairs{{0, 1}, {1, 1}}));
  EXPECT_EQ(room.taken_back, std::vector<int32_t>{2});
  EXPECT_EQ(needs[2].pending_rows, 0);  // it begins again in another step
  EXPECT_FALSE(needs[2].holds_memory);
}

TEST(Scheduler, LaterOnesDoNotOvertake) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {running(5, 1), waiting(50), waiting(2)};
  FakeRoom room(needs, 20);
  EXPECT_EQ(pairs(scheduler.schedule(needs, limits, room).grants), (Pairs{{0, 1}}));
}

// What the first one holds is what the second lacks: the third would lose its rows in vain.
TEST(Scheduler, NobodyGivesWayInVain) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {running(14, 1), waiting(9), running(4, 1)};
  FakeRoom room(needs, 20);
  const auto plan = scheduler.schedule(needs, limits, room);
  EXPECT_EQ(pairs(plan.grants), (Pairs{{0, 1}}));
  EXPECT_TRUE(room.taken_back.empty());
  EXPECT_EQ(plan.blocked, 1);
  EXPECT_FALSE(plan.starved.has_value());
}

// Nor for one whose rows are on their way from elsewhere: it holds memory, and will give it back.
TEST(Scheduler, NobodyGivesWayInVainToOneThatWaitsForARestoredOne) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 1};
  Scheduler scheduler(8);
  const SequenceNeed restoring{.held_rows = 14, .holds_memory = true, .is_restoring = true};
  std::vector<SequenceNeed> needs = {restoring, waiting(9), running(4, 1)};
  FakeRoom room(needs, 20);
  needs[0] = {.is_restoring = true};  // as the engine tells it
  const auto plan = scheduler.schedule(needs, limits, room);
  EXPECT_TRUE(plan.grants.empty());
  EXPECT_TRUE(room.taken_back.empty());
}

TEST(Scheduler, NamesASequenceThatDoesNotFitAlone) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {running(5, 1), running(3, 1)};
  FakeRoom room(needs, 5);
  const auto plan = scheduler.schedule(needs, limits, room);
  EXPECT_TRUE(plan.grants.empty());
  EXPECT_EQ(plan.starved, 0);
  EXPECT_EQ(room.taken_back, std::vector<int32_t>{1});
}

SequenceNeed passed_over(int64_t held) { return {.held_rows = held, .holds_memory = true}; }

TEST(Scheduler, PassesOverWhatWaits) {
  const StepLimits limits{.prefill_rows = 8, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {passed_over(5), running(4, 6), passed_over(7)};
  FakeRoom room(needs, 1000);
  EXPECT_EQ(pairs(scheduler.schedule(needs, limits, room).grants), (Pairs{{1, 6}}));
  needs = {passed_over(5), passed_over(7)};
  const auto plan = scheduler.schedule(needs, limits, room);
  EXPECT_TRUE(plan.grants.empty());
  EXPECT_FALSE(plan.starved.has_value());
}

TEST(Scheduler, WhatWaitsGivesWayBeforeAnybodyStarves) {
  const StepLimits limits{.prefill_rows = 100, .score_rows = 1};
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {passed_over(5), passed_over(5), running(5, 1), passed_over(5)};
  FakeRoom room(needs, 16);
  EXPECT_EQ(pairs(scheduler.schedule(needs, limits, room).grants), (Pairs{{2, 1}}));
  EXPECT_EQ(room.taken_back, (std::vector<int32_t>{3}));  // a later one first

  needs = {passed_over(5), passed_over(5), running(5, 9)};
  FakeRoom less(needs, 15);
  EXPECT_EQ(pairs(scheduler.schedule(needs, limits, less).grants), (Pairs{{2, 9}}));
  EXPECT_EQ(less.taken_back, (std::vector<int32_t>{1, 0}));

  needs = {passed_over(5), running(5, 20)};
  FakeRoom least(needs, 15);
  EXPECT_EQ(scheduler.schedule(needs, limits, least).starved, 1);
}

TEST(Scheduler, NothingToDoIsAnEmptyPlan) {
  const StepLimits limits{.prefill_rows = 8, .score_rows = 1};
  Scheduler scheduler(1);
  FakeRoom room({}, 5);
  const auto plan = scheduler.schedule({}, limits, room);
  EXPECT_TRUE(plan.grants.empty());
  EXPECT_FALSE(plan.starved.has_value());
}

// Whatever the load: budgets hold, memory is not exceeded, the order of arrival is kept, and something moves.
TEST(Scheduler, KeepsItsPromisesOnRandomLoads) {
  std::mt19937 random(3);
  const auto below = [&](int64_t end) { return static_cast<int64_t>(random() % static_cast<uint64_t>(end)); };
  for (int round = 0; round < 20000; ++round) {
    const StepLimits limits{.prefill_rows = 1 + below(40), .score_rows = 1 + below(10)};
    Scheduler scheduler(8, below(2) == 0 ? PromptCuts::kAnywhere : PromptCuts::kAtBlockEnds);
    std::vector<SequenceNeed> needs;
    int64_t used = 0;
    for (int64_t i = 0; i < 1 + below(6); ++i) {
      SequenceNeed need = below(2) == 0 ? running(1 + below(30), 1 + below(3)) : waiting(1 + below(60));
      if (below(4) == 0) need.unscored_rows = 1 + below(need.pending_rows);
      if (i > 0 && below(6) == 0) need = passed_over(1 + below(30));
      used += need.held_rows;
      needs.push_back(need);
    }
    const int64_t units = used + below(60);
    FakeRoom room(needs, units);
    const auto plan = scheduler.schedule(needs, limits, room);
    ASSERT_NE(plan.grants.empty(), !plan.starved.has_value());
    ASSERT_LE(room.used(), units);
    int64_t prefill = 0;
    int64_t scored_prompt_rows = 0;
    int64_t logit_rows = 0;  // of what is scored, and of each sequence that runs to its end
    int32_t last = -1;
    for (const RowGrant& grant : plan.grants) {
      const SequenceNeed& need = needs[static_cast<size_t>(grant.sequence)];
      ASSERT_GT(grant.sequence, last);
      ASSERT_TRUE(need.holds_memory);
      ASSERT_GE(grant.row_count, 1);
      ASSERT_LE(grant.row_count, need.pending_rows);
      const int64_t scored_rows =
          std::max<int64_t>(0, grant.row_count - (need.pending_rows - need.unscored_rows));
      if (need.pending_rows > 1) prefill += grant.row_count;
      if (need.pending_rows > 1) scored_prompt_rows += scored_rows;
      logit_rows += std::max<int64_t>(scored_rows, grant.row_count == need.pending_rows ? 1 : 0);
      last = grant.sequence;
    }
    ASSERT_LE(prefill, limits.prefill_rows);
    ASSERT_LE(scored_prompt_rows, limits.score_rows);
    ASSERT_LE(logit_rows, limits.score_rows + std::ssize(needs) - 1);  // as Engine::step_logit_rows
    // Where there is memory for all, all that decode run.
    if (plan.blocked.has_value() || plan.starved.has_value()) continue;
    const auto decodes = [](const SequenceNeed& need) { return need.pending_rows == 1; };
    const auto runs = [&](const RowGrant& grant) {
      return decodes(needs[static_cast<size_t>(grant.sequence)]);
    };
    ASSERT_EQ(std::ranges::count_if(plan.grants, runs), std::ranges::count_if(needs, decodes));
  }
}

}  // namespace
}  // namespace cairn
