#include "engine/scheduler.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace cairn {
namespace {

// Of the rows for prompts, and of scored rows: 1 / kShortShare go to the shortest first. Large enough that a chat's
// prompt takes a few steps, small enough that a long prompt is delayed by a third at most.
constexpr int64_t kShortShare = 4;

bool is_prompt(const SequenceNeed& need) { return need.pending_rows > 1; }
bool is_scored_prompt(const SequenceNeed& need) { return is_prompt(need) && need.unscored_rows > 0; }

// What prompts can still get of a step's limits.
struct Budget {
  int64_t prompt_rows;
  int64_t score_rows;

  // How many more rows a sequence that has `granted` can get.
  [[nodiscard]] int64_t most(const SequenceNeed& need, int64_t granted) const {
    const int64_t rows = need.pending_rows - granted;
    if (!is_prompt(need)) return rows;
    return std::min({rows, prompt_rows, plain_rows(need, granted) + score_rows});
  }
  void spend(const SequenceNeed& need, int64_t granted, int64_t rows) {
    if (!is_prompt(need)) return;
    prompt_rows -= rows;
    score_rows -= std::max<int64_t>(0, rows - plain_rows(need, granted));
  }

 private:
  // Those that need no scoring come first.
  static int64_t plain_rows(const SequenceNeed& need, int64_t granted) {
    return std::max<int64_t>(0, need.pending_rows - need.unscored_rows - granted);
  }
};

// What is kept for the shortest, where more than one shares `rows`: a quarter, and at least one row of two.
int64_t short_share(int64_t rows, int64_t sharer_count) {
  return sharer_count > 1 ? std::min((rows + kShortShare - 1) / kShortShare, rows - 1) : 0;
}

// Who may lose its rows for `asker` (find_victim): one that waits for its caller, or runs and comes after it.
bool may_lose(std::span<const SequenceNeed> needs, int32_t i, std::optional<int32_t> asker) {
  const SequenceNeed& need = needs[static_cast<size_t>(i)];
  if (!need.holds_memory || i == asker) return false;
  return need.pending_rows == 0 || (asker.has_value() && i > *asker);
}

bool is_of_tenant(std::span<const SequenceNeed> needs, int32_t i, int32_t asker) {
  return needs[static_cast<size_t>(i)].tenant == needs[static_cast<size_t>(asker)].tenant;
}

// The same where `lack` is what make_room said.
bool may_lose_for(std::span<const SequenceNeed> needs, int32_t i, int32_t asker, Room lack) {
  return may_lose(needs, i, asker) && (lack == Room::kNoRoom || is_of_tenant(needs, i, asker));
}

// Whether all that may lose their rows for `asker` hold what it lacks.
bool victims_suffice(std::span<const SequenceNeed> needs, int32_t asker, Room lack,
                     const RoomKeeper& keeper) {
  int64_t missing = keeper.missing(asker);
  for (int32_t i = 0; i < std::ssize(needs) && missing > 0; ++i) {
    if (may_lose_for(needs, i, asker, lack)) missing -= keeper.freed_by(i);
  }
  return missing <= 0;
}

template <typename MayLose>
std::optional<int32_t> find_last(std::span<const SequenceNeed> needs, const MayLose& may_lose_it) {
  std::optional<int32_t> running;
  for (auto i = static_cast<int32_t>(needs.size()) - 1; i >= 0; --i) {
    if (!may_lose_it(i)) continue;
    if (needs[static_cast<size_t>(i)].pending_rows == 0) return i;
    if (!running.has_value()) running = i;
  }
  return running;
}

// Whether another one of the tenant comes before it and is to run: what it holds may become free.
bool comes_behind_own(std::span<const SequenceNeed> needs, int32_t asker) {
  for (int32_t i = 0; i < asker; ++i) {
    if (needs[static_cast<size_t>(i)].pending_rows > 0 && is_of_tenant(needs, i, asker)) return true;
  }
  return false;
}

}  // namespace

std::optional<int32_t> find_victim(std::span<const SequenceNeed> needs, std::optional<int32_t> asker) {
  return find_last(needs, [&](int32_t i) { return may_lose(needs, i, asker); });
}

std::optional<int32_t> find_victim_of_tenant(std::span<const SequenceNeed> needs, int32_t asker) {
  return find_last(needs, [&](int32_t i) { return may_lose_for(needs, i, asker, Room::kOverQuota); });
}

Scheduler::Scheduler(int64_t max_sequences, PromptCuts cuts) : cuts_(cuts) {
  const auto count = static_cast<size_t>(max_sequences);
  grants_.reserve(count);
  rows_.reserve(count);
  order_.reserve(count);
  shortest_.reserve(count);
  stands_still_.reserve(count);
  over_quota_.reserve(count);
  exceeding_.reserve(count);
}

// Fills rows_, without regard to memory.
void Scheduler::share_rows(std::span<const SequenceNeed> needs, const StepLimits& limits) {
  const bool cuts = cuts_ != PromptCuts::kNowhere;
  rows_.assign(needs.size(), 0);
  shortest_.clear();
  const auto count = [&](const auto& is_one) {
    int64_t found = 0;
    for (int32_t i = 0; i < std::ssize(needs); ++i) {
      if (!stands_still(i) && is_one(needs[static_cast<size_t>(i)])) ++found;
    }
    return found;
  };
  const int64_t kept_prompt_rows = cuts ? short_share(limits.prefill_rows, count(is_prompt)) : 0;
  const int64_t kept_score_rows = cuts ? short_share(limits.score_rows, count(is_scored_prompt)) : 0;
  Budget budget{limits.prefill_rows - kept_prompt_rows, limits.score_rows - kept_score_rows};
  const auto grant = [&](size_t i) {
    const int64_t more = budget.most(needs[i], rows_[i]);
    if (more < needs[i].pending_rows && !cuts) return;
    budget.spend(needs[i], rows_[i], more);
    rows_[i] += static_cast<int32_t>(more);
  };
  set_order(needs);
  for (const int32_t index : order_) {
    const auto i = static_cast<size_t>(index);
    if (stands_still(index)) continue;
    if (needs[i].pending_rows > 0) grant(i);
    if (rows_[i] < needs[i].pending_rows) shortest_.push_back(index);
  }
  if (!cuts) return;
  budget.prompt_rows += kept_prompt_rows;
  budget.score_rows += kept_score_rows;
  sort_shortest(needs);
  for (const int32_t i : shortest_) grant(static_cast<size_t>(i));
  if (cuts_ == PromptCuts::kAtBlockEnds) end_on_blocks(needs);
}

// By what their tenants have had, then as they are served.
void Scheduler::set_order(std::span<const SequenceNeed> needs) {
  order_.resize(needs.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto is_before = [&](int32_t a, int32_t b) {
    const int64_t served_a = needs[static_cast<size_t>(a)].served;
    const int64_t served_b = needs[static_cast<size_t>(b)].served;
    return served_a != served_b ? served_a < served_b : a < b;
  };
  if (!std::ranges::is_sorted(order_, is_before)) std::ranges::sort(order_, is_before);
}

bool Scheduler::is_by_key() const { return std::ranges::is_sorted(order_); }

// By what is left of them, each tenant's by itself.
void Scheduler::sort_shortest(std::span<const SequenceNeed> needs) {
  const auto left = [&](int32_t i) {
    return needs[static_cast<size_t>(i)].pending_rows - rows_[static_cast<size_t>(i)];
  };
  const auto served = [&](int32_t i) { return needs[static_cast<size_t>(i)].served; };
  std::ranges::sort(shortest_, [&](int32_t a, int32_t b) {
    if (served(a) != served(b)) return served(a) < served(b);
    const int64_t left_a = left(a);
    const int64_t left_b = left(b);
    return left_a != left_b ? left_a < left_b : a < b;
  });
}

void Scheduler::end_on_blocks(std::span<const SequenceNeed> needs) {
  for (size_t i = 0; i < needs.size(); ++i) {
    const int64_t end = needs[i].held_rows + rows_[i];
    const bool leaves_rows = rows_[i] < needs[i].pending_rows || needs[i].held_rows % kBlockSize != 0;
    if (leaves_rows && end / kBlockSize > needs[i].held_rows / kBlockSize) {
      rows_[i] -= static_cast<int32_t>(end % kBlockSize);
    }
  }
}

// In the order of service. The one that waits for memory, where there is one; `first` is the first that has rows to run.
std::optional<int32_t> Scheduler::grant(std::span<SequenceNeed> needs, int32_t first, RoomKeeper& keeper) {
  grants_.clear();
  for (int32_t i = first; i < std::ssize(needs); ++i) {
    SequenceNeed& need = needs[static_cast<size_t>(i)];
    if (need.pending_rows == 0 || rows_[static_cast<size_t>(i)] == 0) continue;
    const Room room = get_room(needs, i, first, keeper);
    if (room == Room::kNoRoom) return i;
    if (room != Room::kOk) {
      stands_still_[static_cast<size_t>(i)] = 1;
      (room == Room::kOverQuota ? over_quota_ : exceeding_).push_back(i);
      continue;
    }
    need.holds_memory = true;
    grants_.push_back({i, rows_[static_cast<size_t>(i)]});
  }
  return std::nullopt;
}

// Room, or what it lacks where nobody is to lose rows for it.
Room Scheduler::get_room(std::span<SequenceNeed> needs, int32_t i, int32_t first, RoomKeeper& keeper) {
  for (;;) {
    const Room room = keeper.make_room(i);
    if (room == Room::kOk || room == Room::kExceedsQuota) return room;
    const bool is_for_quota = room == Room::kOverQuota;
    const std::optional<int32_t> victim =
        is_for_quota ? find_victim_of_tenant(needs, i) : find_victim(needs, i);
    // Later ones do not overtake: what becomes free is for this one. None loses rows in vain, while others run.
    const bool others_run = is_for_quota
                                ? comes_behind_own(needs, i)
                                : i > first || std::ranges::any_of(needs, &SequenceNeed::is_restoring);
    if (!victim.has_value() || (others_run && !victims_suffice(needs, i, room, keeper))) return room;
    keeper.take_back(*victim);
    needs[static_cast<size_t>(*victim)] = {};
  }
}

std::optional<int32_t> Scheduler::first_pending(std::span<const SequenceNeed> needs) const {
  for (int32_t i = 0; i < std::ssize(needs); ++i) {
    if (needs[static_cast<size_t>(i)].pending_rows > 0 && !stands_still(i)) return i;
  }
  return std::nullopt;
}

Scheduler::Plan Scheduler::schedule(std::span<SequenceNeed> needs, const StepLimits& limits,
                                    RoomKeeper& keeper) {
  CHECK(limits.prefill_rows >= 1);
  CHECK(limits.score_rows >= 1);
  grants_.clear();
  over_quota_.clear();
  exceeding_.clear();
  stands_still_.assign(needs.size(), 0);
  Plan plan;
  size_t sharer_count = needs.size();
  while (const std::optional<int32_t> first = first_pending(needs)) {
    if (static_cast<size_t>(*first) >= sharer_count) sharer_count = needs.size();  // those stand still
    share_rows(needs.first(sharer_count), limits);
    rows_.resize(needs.size(), 0);
    const size_t still_count = over_quota_.size() + exceeding_.size();
    const std::optional<int32_t> waits = grant(needs, *first, keeper);
    const bool some_stand_still = over_quota_.size() + exceeding_.size() > still_count;
    if (some_stand_still) continue;  // the rows that they were to have are for the others
    if (waits.has_value()) plan.blocked = waits;
    // What one that exceeds its quota holds is free when the step ends. One that only waits for its quota changes nothing:
    // the first of its tenant comes before it, and is to run.
    if (waits == first && exceeding_.empty()) plan.starved = first;
    if (!waits.has_value() || waits == first || is_by_key()) break;
    // The rows that it and later ones were to have are for those whose memory it waits for.
    sharer_count = static_cast<size_t>(*waits);
  }
  CHECK(!grants_.empty() || plan.starved.has_value() || !exceeding_.empty() ||
        !first_pending(needs).has_value());
  plan.grants = grants_;
  plan.over_quota = over_quota_;
  plan.exceeding = exceeding_;
  return plan;
}

}  // namespace cairn
