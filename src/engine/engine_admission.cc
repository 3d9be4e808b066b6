// Places in the cache: which requests get one, which wait for another's rows first, and who loses one.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"

namespace cairn {

int64_t Engine::held_by(const Sequence& sequence) const {
  return sequence.kv ? cache_->length(sequence.kv) - sequence.draft.unverified_rows : 0;
}

// What of its tokens it may find rather than compute: rows whose logits are still to be reported must run.
std::span<const TokenId> Engine::findable_tokens(const Sequence& sequence) const {
  const std::span<const TokenId> tokens = sequence.tokens;
  if (sequence.request.logits_wanted != LogitsWanted::kEveryPosition) return tokens;
  return tokens.first(std::min(tokens.size(), static_cast<size_t>(sequence.scored) + 1));
}

// As long as there are places, the next in the fair order. What another request is about to compute is waited for.
void Engine::admit() {
  queue_.begin_round();
  hold_back_over_quota();
  while (cache_->has_free_sequence() || can_free_a_place()) {
    Sequence* const first = queue_.first();
    if (first == nullptr) return;
    Sequence& next = *first;
    if (comes_behind_blocked(next)) return;
    Sequence* const owner = prefix_owner(next);
    if (owner == nullptr && !cache_->has_free_sequence()) free_a_place();
    queue_.erase(next);
    if (owner != nullptr) {
      wait_for(*owner, next);
    } else {
      begin_rows(next);
    }
  }
}

// Where it comes among those that have a place: behind all, but before those of its tenant with larger keys. So a
// tenant's own requests are served by key, and between tenants the one that came first keeps its rows.
size_t Engine::service_place(const Sequence& sequence) const {
  const auto is_later = [&](const Sequence* other) {
    return other->tenant == sequence.tenant && sequence.key < other->key;
  };
  return static_cast<size_t>(std::ranges::find_if(placed_, is_later) - placed_.begin());
}

// Whether its rows would wait behind those of one that waits for memory, or take memory from it for another tenant.
bool Engine::comes_behind_blocked(const Sequence& sequence) const {
  if (!blocked_.has_value()) return false;
  const auto blocked = std::ranges::find(placed_, *blocked_, &Sequence::id);
  if (blocked == placed_.end()) return false;
  const bool is_foreign = (*blocked)->tenant != sequence.tenant;
  return is_foreign || (*blocked)->key < sequence.key;
}

bool Engine::can_free_a_place() const {
  const auto has_rows = [](const Session& session) { return static_cast<bool>(session.kv); };
  const auto waits = [](const Sequence* sequence) { return sequence->state == SequenceState::kAwaitsCaller; };
  return std::ranges::any_of(sessions_, has_rows) || std::ranges::any_of(placed_, waits);
}

// can_free_a_place() is true.
void Engine::free_a_place() {
  if (drop_an_idle_session()) return;
  fill_needs();
  const std::optional<int32_t> victim = find_victim(needs_, std::nullopt);
  CHECK(victim.has_value());
  Sequence& loser = *placed_[static_cast<size_t>(*victim)];
  events_.of_request(EngineEventKind::kPlaceTaken, loser.id, held_by(loser));
  take_back(loser);
  placed_.erase(placed_.begin() + *victim);
}

void Engine::begin_rows(Sequence& sequence) {
  KvLease kv = cache_->match({.tokens = findable_tokens(sequence),
                              .names = sequence.names,
                              .own_positions = sequence.own_positions,
                              .owner = owner_of(sequence.request.tenant)});
  if (sequence.stats.projected_positions == 0) sequence.stats.match = cache_->match_report(kv);
  place(sequence, std::move(kv));
  note_found(sequence, held_by(sequence));
  ask_tiers(sequence);
}

void Engine::begin_fork(Sequence& child, const Sequence& parent) {
  const bool has_rows = held_by(parent) >= child.wanted_positions;
  KvLease kv;
  if (has_rows) {
    do {
      kv = cache_->fork(parent.kv);
    } while (!kv && !cache_->fork_exceeds_quota(parent.kv) && drop_an_idle_session());
  }
  if (!kv) return enqueue(child);  // it will find what it can of the prefix
  // The last token runs, if need be again: its logits are wanted.
  const int64_t again = std::min(child.prompt_count - 1, held_by(parent));
  if (cache_->length(kv) > again) go_back(child, kv, again);
  const int64_t held = cache_->length(kv);
  child.stats.reused_tokens = held;
  child.stats.match = {
      .end = KvMatchEnd::kOwnRows, .text_positions = child.prompt_count, .found_positions = held};
  place(child, std::move(kv));
}

void Engine::place(Sequence& sequence, KvLease kv) {
  CHECK(kv && !sequence.kv);
  DCHECK(sequence.owner == nullptr && placed_.size() < placed_.capacity());
  sequence.kv = std::move(kv);
  sequence.has_run = false;
  placed_.insert(placed_.begin() + static_cast<std::ptrdiff_t>(service_place(sequence)), &sequence);
  queue_.pledge(sequence, std::ssize(sequence.tokens) - held_by(sequence));
  set_state(sequence, SequenceState::kRunning);
  events_.of_request(EngineEventKind::kPlaced, sequence.id, held_by(sequence));
}

void Engine::enqueue(Sequence& sequence) {
  DCHECK(!sequence.kv && sequence.owner == nullptr);
  cache_->extend_names(sequence.names, sequence.tokens);
  set_state(sequence, SequenceState::kQueued);
  events_.of_request(EngineEventKind::kQueued, sequence.id, std::ssize(sequence.tokens));
  queue_.push(sequence);
}

// The caller takes it out of placed_.
void Engine::take_back(Sequence& sequence) {
  DCHECK(sequence.kv && sequence.owner == nullptr && sequence.state != SequenceState::kRestoring);
  sequence.own_positions = std::max(sequence.own_positions, held_by(sequence));
  sequence.kv = {};
  if (sequence.has_run) {
    ++sequence.stats.preemptions;
    ++counts_.preemptions;
  }
  wake_waiters(sequence, kAllPositions);
  if (sequence.state == SequenceState::kRunning) enqueue(sequence);
  queue_.unpledge(sequence);
}

// The request with a place that is about to compute, or to load, the most blocks that this one could find then.
Sequence* Engine::prefix_owner(Sequence& sequence) const {
  if (sequence.request.logits_wanted == LogitsWanted::kEveryPosition) return nullptr;
  const int64_t findable = findable_blocks(std::ssize(sequence.tokens));
  Sequence* owner = nullptr;
  int64_t most = 0;
  // One that is served later may stand still for what comes between.
  for (Sequence* other : std::span(placed_).first(service_place(sequence))) {
    if (!goes_on(other->state)) continue;
    const int64_t common = std::min(findable, common_blocks(sequence.names, other->names)) * kBlockSize;
    if (common > most && common > held_by(*other)) {
      most = common;
      owner = other;
    }
  }
  if (owner == nullptr || cache_->findable(sequence.tokens, sequence.names) >= most) return nullptr;
  sequence.wanted_positions = most;
  return owner;
}

void Engine::wait_for(Sequence& owner, Sequence& sequence) {
  DCHECK(&owner != &sequence && owner.state != SequenceState::kEnded && !sequence.kv);
  set_state(sequence, SequenceState::kLoading);
  events_.of_request(EngineEventKind::kWaitsForPrefix, sequence.id, owner.id);
  sequence.owner = &owner;
  if (owner.kv) cache_->keep_tail(owner.kv, sequence.wanted_positions);  // the sequence will go on from there
  owner.next_wake = owner.waiters.empty() ? sequence.wanted_positions
                                          : std::min(owner.next_wake, sequence.wanted_positions);
  owner.waiters.push(sequence);
}

void Engine::stop_waiting(Sequence& sequence) {
  sequence.owner->waiters.erase(sequence);
  sequence.owner = nullptr;
}

// The owner has so many positions; kAllPositions: it will have no more.
void Engine::wake_waiters(Sequence& owner, int64_t positions) {
  if (owner.waiters.empty() || positions < owner.next_wake) return;
  owner.next_wake = kAllPositions;
  for (Sequence* next = owner.waiters.first(); next != nullptr;) {
    Sequence& waiter = *std::exchange(next, next->waiter_links.next);
    if (waiter.wanted_positions > positions) {
      owner.next_wake = std::min(owner.next_wake, waiter.wanted_positions);
      continue;
    }
    stop_waiting(waiter);
    if (std::exchange(waiter.is_fork, false)) {
      begin_fork(waiter, owner);
    } else {
      enqueue(waiter);
    }
  }
}

}  // namespace cairn
