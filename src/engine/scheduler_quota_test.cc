// The scheduler where tenants have quotas: who loses rows, who stands still, and that the rest goes on.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "engine/scheduler.h"

namespace cairn {
namespace {

// So many units of memory, and of each tenant's quota; a sequence needs as many as it has rows, held and pending.
class QuotaRoom final : public RoomKeeper {
 public:
  QuotaRoom(std::span<const SequenceNeed> needs, int64_t units, std::map<uint32_t, int64_t> quotas)
      : units_(units), quotas_(std::move(quotas)) {
    for (const SequenceNeed& need : needs) {
      tenant_.push_back(need.tenant);
      total_.push_back(need.held_rows + need.pending_rows);
      taken_.push_back(need.holds_memory ? need.held_rows : 0);
    }
  }
  Room make_room(int32_t index) override {
    const auto i = static_cast<size_t>(index);
    const int64_t more = total_[i] - taken_[i];
    lack_ = Room::kOk;
    if (more > 0 && total_[i] > quota(tenant_[i])) return lack_ = Room::kExceedsQuota;
    if (more > 0 && used_by(tenant_[i]) + more > quota(tenant_[i])) return lack_ = Room::kOverQuota;
    if (used() + more > units_) return lack_ = Room::kNoRoom;
    taken_[i] = total_[i];
    return Room::kOk;
  }
  [[nodiscard]] int64_t missing(int32_t index) const override {
    const auto i = static_cast<size_t>(index);
    const int64_t more = total_[i] - taken_[i];
    if (lack_ == Room::kOverQuota) return used_by(tenant_[i]) + more - quota(tenant_[i]);
    return used() + more - units_;
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
  [[nodiscard]] int64_t used_by(uint32_t tenant) const {
    int64_t sum = 0;
    for (size_t i = 0; i < taken_.size(); ++i) sum += tenant_[i] == tenant ? taken_[i] : 0;
    return sum;
  }
  [[nodiscard]] int64_t quota(uint32_t tenant) const {
    const auto found = quotas_.find(tenant);
    return found == quotas_.end() ? units_ : found->second;
  }
  [[nodiscard]] bool has_memory(size_t i) const { return taken_[i] > 0; }

  std::vector<int32_t> taken_back;

 private:
  int64_t units_;
  std::map<uint32_t, int64_t> quotas_;
  std::vector<uint32_t> tenant_;
  std::vector<int64_t> total_;
  std::vector<int64_t> taken_;
  Room lack_ = Room::kOk;
};

SequenceNeed need_of(uint32_t tenant, int64_t held, int64_t pending) {
  return {.held_rows = held, .pending_rows = pending, .holds_memory = held > 0, .tenant = tenant};
}
std::vector<std::pair<int32_t, int32_t>> pairs(std::span<const RowGrant> grants) {
  std::vector<std::pair<int32_t, int32_t>> result;
  for (const RowGrant& grant : grants) result.emplace_back(grant.sequence, grant.row_count);
  return result;
}
using Pairs = std::vector<std::pair<int32_t, int32_t>>;
using Indices = std::vector<int32_t>;
Indices list(std::span<const int32_t> indices) { return {indices.begin(), indices.end()}; }

constexpr StepLimits kLimits{.prefill_rows = 8, .score_rows = 1};

// The rows that the one who waits was to have are for the others.
TEST(SchedulerQuota, OneThatWaitsForItsTenantLeavesItsRowsToTheOthers) {
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {need_of(1, 9, 1), need_of(1, 0, 20), need_of(2, 0, 20)};
  QuotaRoom room(needs, 1000, {{1, 25}});
  const auto plan = scheduler.schedule(needs, kLimits, room);
  EXPECT_EQ(pairs(plan.grants), (Pairs{{0, 1}, {2, 8}}));
  EXPECT_EQ(list(plan.over_quota), Indices{1});
  EXPECT_TRUE(plan.exceeding.empty());
  EXPECT_FALSE(plan.blocked.has_value());
  EXPECT_FALSE(plan.starved.has_value());
}

TEST(SchedulerQuota, TheVictimIsTheLastOfTheSameTenant) {
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {need_of(1, 20, 1), need_of(2, 20, 1), need_of(1, 10, 1),
                                     need_of(1, 10, 1), need_of(2, 20, 1)};
  QuotaRoom room(needs, 1000, {{1, 40}});
  const auto plan = scheduler.schedule(needs, kLimits, room);
  EXPECT_EQ(room.taken_back, Indices{3});
  EXPECT_EQ(pairs(plan.grants), (Pairs{{0, 1}, {1, 1}, {2, 1}, {4, 1}}));
}

TEST(SchedulerQuota, OneThatExceedsTheQuotaTakesNothingFromAnybody) {
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {need_of(1, 0, 50), need_of(1, 10, 1), need_of(2, 10, 1)};
  QuotaRoom room(needs, 1000, {{1, 40}});
  const auto plan = scheduler.schedule(needs, kLimits, room);
  EXPECT_EQ(list(plan.exceeding), Indices{0});
  EXPECT_TRUE(room.taken_back.empty());
  EXPECT_EQ(pairs(plan.grants), (Pairs{{1, 1}, {2, 1}}));
}

// What it holds is free when it has ended, with this step: nobody starves for it.
TEST(SchedulerQuota, OneThatExceedsTheQuotaStarvesNobodyBehindIt) {
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {need_of(1, 40, 1), need_of(2, 20, 1)};
  QuotaRoom room(needs, 60, {{1, 40}});
  const auto plan = scheduler.schedule(needs, kLimits, room);
  EXPECT_TRUE(plan.grants.empty());
  EXPECT_EQ(list(plan.exceeding), Indices{0});
  EXPECT_EQ(plan.blocked, 1);
  EXPECT_FALSE(plan.starved.has_value());
}

// One whose caller picks its tokens loses them to an earlier or a later one of its own tenant.
TEST(SchedulerQuota, OneThatAwaitsItsCallerGivesWayToItsOwnTenant) {
  Scheduler scheduler(8);
  std::vector<SequenceNeed> needs = {need_of(2, 30, 0), need_of(1, 30, 0), need_of(1, 0, 20)};
  QuotaRoom room(needs, 1000, {{1, 40}, {2, 40}});
  const auto plan = scheduler.schedule(needs, kLimits, room);
  EXPECT_EQ(room.taken_back, Indices{1});
  EXPECT_EQ(pairs(plan.grants), (Pairs{{2, 8}}));
}

// Sequences of a few tenants run to their ends, in random steps with random quotas and little memory.
class Life {
 public:
  explicit Life(uint64_t seed) : random_(seed) {
    units_ = 60 + below(100);
    for (uint32_t tenant = 1; tenant <= 3; ++tenant) {
      if (below(4) > 0) quotas_[tenant] = 10 + below(80);
    }
    for (int i = 0; i < 12; ++i) {
      const int64_t prompt = 1 + below(30);
      all_.push_back({static_cast<uint32_t>(below(4)), prompt, prompt + below(30), 0});
    }
  }

  void run() {
    int steps = 0;
    while (!all_.empty() && !::testing::Test::HasFailure()) {
      ASSERT_LT(++steps, 5000) << "it does not come to an end";
      step();
    }
  }

 private:
  struct One {
    uint32_t tenant;
    int64_t tokens;
    int64_t end;
    int64_t held;
  };
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }

  void step() {
    std::vector<SequenceNeed> needs;
    for (const One& one : all_) {
      needs.push_back(need_of(one.tenant, one.held, one.tokens - one.held));
      needs.back().served = below(3);
    }
    QuotaRoom room(needs, units_, quotas_);
    Scheduler scheduler(12);
    const auto plan = scheduler.schedule(needs, {.prefill_rows = 1 + below(20), .score_rows = 1}, room);
    expect_order(plan, room);
    for (const int32_t victim : room.taken_back) all_[static_cast<size_t>(victim)].held = 0;
    std::vector<size_t> gone;
    for (const RowGrant& grant : plan.grants) {
      One& one = all_[static_cast<size_t>(grant.sequence)];
      ASSERT_TRUE(room.has_memory(static_cast<size_t>(grant.sequence)));
      one.held += grant.row_count;
      if (one.held == one.tokens && one.tokens++ == one.end) {
        gone.push_back(static_cast<size_t>(grant.sequence));
      }
    }
    for (const int32_t index : plan.exceeding) {
      const One& one = all_[static_cast<size_t>(index)];
      ASSERT_GT(one.tokens, room.quota(one.tenant));
      gone.push_back(static_cast<size_t>(index));
    }
    if (plan.starved.has_value()) {
      ASSERT_GT(all_[static_cast<size_t>(*plan.starved)].tokens, units_) << "others could have made room";
      gone.push_back(static_cast<size_t>(*plan.starved));
    }
    std::ranges::sort(gone);
    for (auto i = gone.rbegin(); i != gone.rend(); ++i) {
      all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(*i));
    }
  }

  // Nobody has more than its quota; who stands still is never the first of its tenant.
  void expect_order(const Scheduler::Plan& plan, const QuotaRoom& room) {
    ASSERT_LE(room.used(), units_);
    for (const auto& [tenant, quota] : quotas_) ASSERT_LE(room.used_by(tenant), quota);
    for (const int32_t index : plan.over_quota) {
      const auto end = all_.begin() + index;
      ASSERT_NE(std::find_if(all_.begin(), end, [&](const One& o) { return o.tenant == end->tenant; }), end);
    }
    ASSERT_TRUE(!plan.grants.empty() || plan.starved.has_value() || !plan.exceeding.empty());
  }

  std::mt19937_64 random_;
  int64_t units_ = 0;
  std::map<uint32_t, int64_t> quotas_;
  std::vector<One> all_;  // in the order of service
};

TEST(SchedulerQuota, EverythingComesToAnEnd) {
  for (uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Life(seed).run();
  }
}

}  // namespace
}  // namespace cairn
