#include "engine/fair_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

// How many requests of a tenant its queue has room for from the start.
constexpr size_t kRoomMin = 8;

Status check_shares(std::span<const TenantShare> shares) {
  std::set<TenantId> named;
  for (const TenantShare& share : shares) {
    if (share.weight < 1 || share.weight > kMostWeight) {
      return invalid_argument(fmt::format("tenant {} has weight {}: it must be from 1 to {}", share.id.value,
                                          share.weight, kMostWeight));
    }
    if (!named.insert(share.id).second) {
      return invalid_argument(fmt::format("tenant {} is named twice: name it once", share.id.value));
    }
  }
  return {};
}

}  // namespace

Status FairQueue::set_shares(std::span<const TenantShare> shares) {
  CAIRN_RETURN_IF_ERROR(check_shares(shares));
  for (const TenantShare& share : shares) tenants_[share.id].id = share.id;
  live_.reserve(tenants_.size());
  for (auto& [id, tenant] : tenants_) {
    tenant.weight = 1;
    tenant.kv_quota_bytes.reset();
    tenant.has_share = false;
  }
  for (const TenantShare& share : shares) {
    Tenant& tenant = tenants_.find(share.id)->second;
    tenant.weight = share.weight;
    tenant.kv_quota_bytes = share.kv_quota_bytes;
    tenant.has_share = true;
  }
  return {};
}

Tenant& FairQueue::tenant(TenantId id) {
  const auto found = tenants_.find(id);
  if (found != tenants_.end()) return found->second;
  if (tenants_.size() >= known_most_) forget_strangers();
  if (live_.capacity() <= tenants_.size()) live_.reserve(2 * (tenants_.size() + 1));
  Tenant& made = tenants_[id];
  made.id = id;
  return made;
}

// Those whose counter says nothing: it would be lifted.
void FairQueue::forget_strangers() {
  std::erase_if(tenants_, [this](const auto& entry) {
    const Tenant& tenant = entry.second;
    return !tenant.has_share && tenant.live_count == 0 && tenant.served <= now_;
  });
  known_most_ = std::max<size_t>(known_most_, 2 * tenants_.size());
}

void FairQueue::reserve(Tenant& tenant) {
  const auto wanted = static_cast<size_t>(tenant.live_count) + 1;
  if (tenant.waiting.capacity() < wanted)
    tenant.waiting.reserve(std::max(kRoomMin, 2 * wanted));  // amortised
}

void FairQueue::add(Sequence& sequence, Tenant& tenant) {
  DCHECK(sequence.tenant == nullptr && sequence.pledged_rows == 0);
  if (!wants_more(tenant)) lift(tenant);
  if (tenant.live_count++ == 0) live_.push_back(&tenant);
  sequence.tenant = &tenant;
}

void FairQueue::remove(Sequence& sequence) {
  unpledge(sequence);
  Tenant* const tenant = std::exchange(sequence.tenant, nullptr);
  CHECK(tenant != nullptr && tenant->live_count > 0);
  if (--tenant->live_count > 0) return;
  DCHECK(tenant->waiting.empty() && tenant->pledged_rows == 0);
  advance();  // what it has had is what others begin with, where it was the last
  tenant->is_held_back = false;
  std::erase(live_, tenant);
}

void FairQueue::push(Sequence& sequence) {
  if (!wants_more(*sequence.tenant)) lift(*sequence.tenant);
  sequence.tenant->waiting.push(sequence);
  ++size_;
}

void FairQueue::erase(Sequence& sequence) {
  sequence.tenant->waiting.erase(sequence);
  --size_;
}

Sequence* FairQueue::first() const {
  Sequence* best = nullptr;
  int64_t least = 0;
  for (const Tenant* tenant : live_) {
    if (tenant->waiting.empty() || tenant->is_held_back) continue;
    Sequence& next = tenant->waiting.first();
    const int64_t counter = tenant->served + cost(*tenant, tenant->pledged_rows);
    const bool is_next =
        best == nullptr || counter < least || (counter == least && next.key.arrival < best->key.arrival);
    if (!is_next) continue;
    best = &next;
    least = counter;
  }
  return best;
}

void FairQueue::hold_back(Tenant& tenant) { tenant.is_held_back = true; }

void FairQueue::begin_round() {
  advance();
  for (Tenant* tenant : live_) {
    if (!std::exchange(tenant->is_held_back, false)) continue;
    tenant->served = std::max(tenant->served, now_);
  }
}

void FairQueue::pledge(Sequence& sequence, int64_t row_count) {
  DCHECK(sequence.pledged_rows == 0);
  sequence.pledged_rows = row_count;
  sequence.tenant->pledged_rows += row_count;
}

void FairQueue::charge(Sequence& sequence, int64_t row_count) {
  Tenant& tenant = *sequence.tenant;
  tenant.served += cost(tenant, row_count);
  tenant.row_count += row_count;
  const int64_t pledged = std::min(row_count, sequence.pledged_rows);
  sequence.pledged_rows -= pledged;
  tenant.pledged_rows -= pledged;
}

void FairQueue::unpledge(Sequence& sequence) {
  sequence.tenant->pledged_rows -= std::exchange(sequence.pledged_rows, 0);
}

int64_t FairQueue::row_count(TenantId id) const {
  const auto found = tenants_.find(id);
  return found == tenants_.end() ? 0 : found->second.row_count;
}

void FairQueue::lift(Tenant& tenant) {
  advance(&tenant);
  tenant.served = std::max(tenant.served, now_);
}

// To the least counter of those that want more than they have; where there is none, of those that run, but for
// `beginner`: it must not hold the time back for itself. The virtual time never goes back.
void FairQueue::advance(const Tenant* beginner) {
  std::optional<int64_t> wanting;
  std::optional<int64_t> living;
  const auto lower = [](std::optional<int64_t>& least, int64_t value) {
    least = std::min(least.value_or(value), value);
  };
  for (const Tenant* tenant : live_) {
    if (tenant->is_held_back || tenant == beginner) continue;
    lower(living, tenant->served);
    if (wants_more(*tenant)) lower(wanting, tenant->served);
  }
  now_ = std::max(now_, wanting.value_or(living.value_or(now_)));
}

}  // namespace cairn
