// Quotas of tenants: who waits for others of its own tenant, who can never go on, and when those that wait may try again.
// What is charged to whom, and that no quota is ever exceeded, is the cache's (KvCache::set_quota).
//
// A request that has not run yet gives its place back while it waits, so it stands in no other tenant's way. Those of
// its tenant that come behind it are not let in meanwhile.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/no_throw.h"
#include "engine/engine.h"

namespace cairn {

Status Engine::set_tenants(std::span<const TenantShare> shares) {
  return no_throw([&] { return take_shares(shares); });
}

// Owners get their names, and lists their memory, before anything changes.
Status Engine::take_shares(std::span<const TenantShare> shares) {
  const auto has_quota = [](const TenantShare& share) { return share.kv_quota_bytes.has_value(); };
  if (options_.storage == KvStorageKind::kPaged || std::ranges::any_of(shares, has_quota)) {
    for (const TenantShare& share : shares) {
      const KvOwner owner = owner_of(share.id);
      CAIRN_RETURN_IF_ERROR(cache_->set_quota(owner, cache_->owner_counts(owner).quota_bytes));
    }
  }
  const std::vector<KvOwnerCounts> owners = cache_->owner_counts();
  holds_.reserve(owners.size());
  CAIRN_RETURN_IF_ERROR(queue_.set_shares(shares));
  holds_.clear();
  for (const KvOwnerCounts& known : owners) {
    const auto share = std::ranges::find(shares, TenantId{known.owner.value}, &TenantShare::id);
    CAIRN_RETURN_IF_ERROR(
        cache_->set_quota(known.owner, share == shares.end() ? std::nullopt : share->kv_quota_bytes));
  }
  return {};
}

void Engine::hold_back_over_quota() {
  std::erase_if(holds_, [this](const QuotaHold& hold) {
    Tenant& tenant = queue_.tenant(hold.tenant);  // it has a share, so it is there
    if (may_go_on(hold, tenant)) return true;
    queue_.hold_back(tenant);
    return false;
  });
}

bool Engine::may_go_on(const QuotaHold& hold, const Tenant& tenant) const {
  // Another is first: a more urgent one has come, or the one that was refused has ended.
  if (tenant.waiting.empty() || tenant.waiting.first().key != hold.key) return true;
  // One that awaits its caller gives way, and so do the rows of an idle session.
  const auto is_own = [&](const Sequence* sequence) {
    return sequence->tenant == &tenant && goes_on(sequence->state);
  };
  const auto gives_way = [&](const Session& session) {
    return session.tenant == hold.tenant && static_cast<bool>(session.kv);
  };
  if (std::ranges::none_of(placed_, is_own) || std::ranges::any_of(sessions_, gives_way)) return true;
  const KvOwnerCounts counts = cache_->owner_counts(owner_of(hold.tenant));
  const uint64_t taken_bytes = counts.held_bytes + counts.promised_bytes + hold.wanted_bytes;
  return !counts.quota_bytes.has_value() || taken_bytes <= *counts.quota_bytes;
}

// The plan's indices are those of placed_, which must not have changed yet.
void Engine::note_quotas(const Scheduler::Plan& plan) {
  const auto at = [this](int32_t index) { return placed_[static_cast<size_t>(index)]; };
  for (const RowGrant& grant : plan.grants) at(grant.sequence)->waits_for_quota = false;
  exceeding_.clear();
  for (const int32_t index : plan.exceeding) {
    if (at(index)->kv) exceeding_.push_back(at(index));
  }
  for (const int32_t index : plan.over_quota) {
    if (at(index)->kv) wait_for_quota(*at(index));
  }
}

// One that has run keeps its rows and stands still; another one waits in the queue, and will find again what it had found.
void Engine::wait_for_quota(Sequence& sequence) {
  const uint64_t lacking = cache_->quota_shortage(sequence.kv, std::ssize(sequence.tokens));
  if (!sequence.waits_for_quota) {
    ++counts_.quota_waits;
    events_.of_request(EngineEventKind::kWaitsForQuota, sequence.id, static_cast<int64_t>(lacking));
  }
  sequence.waits_for_quota = true;
  if (sequence.has_run) return;
  const TenantId tenant = sequence.request.tenant;
  const auto left = [&] {
    const KvOwnerCounts counts = cache_->owner_counts(owner_of(tenant));
    const uint64_t held_bytes = counts.held_bytes + counts.promised_bytes;
    return *counts.quota_bytes - std::min(held_bytes, *counts.quota_bytes);
  };
  take_back(sequence);
  // With what it had found, which is let go now.
  const QuotaHold hold{.tenant = tenant, .key = sequence.key, .wanted_bytes = left() + lacking};
  const auto known = std::ranges::find(holds_, tenant, &QuotaHold::tenant);
  if (known == holds_.end()) {
    DCHECK(holds_.size() < holds_.capacity());
    holds_.push_back(hold);
  } else if (hold.key < known->key) {
    *known = hold;
  }
}

// After the step, so that callbacks find it done.
void Engine::finish_exceeding() {
  for (Sequence* const sequence : exceeding_) {
    if (sequence->state != SequenceState::kRunning || sequence->cancelled) continue;
    events_.of_request(EngineEventKind::kExceedsQuota, sequence->id, held_by(*sequence));
    const uint64_t quota = cache_->owner_counts(owner_of(sequence->request.tenant)).quota_bytes.value_or(0);
    finish(*sequence, FinishReason::kError, no_throw([&] {
      return resource_exhausted(
          fmt::format("the request needs more of the cache's memory than its tenant may have, {} bytes, at "
                      "position {}: ask "
                      "for fewer tokens, or give the tenant a larger quota",
                      quota, sequence->tokens.size() - 1));
    }));
  }
  exceeding_.clear();
}

}  // namespace cairn
