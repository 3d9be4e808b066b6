#include "server/call_records.h"

#include <algorithm>
#include <utility>

namespace cairn {

void CallRecords::note(const RequestFacts& facts, std::string_view prompt, std::string_view reply) {
  metrics_.note_request(facts);
  log_.write_request(facts, prompt, reply);
}

void CallRecords::keep(TenantId tenant, CallRecord record) {
  const std::lock_guard lock(mutex_);
  auto known = tenants_.find(tenant);
  if (known == tenants_.end()) {
    if (tenants_.size() == kMostTenants) {
      tenants_.erase(by_use_.front());
      by_use_.pop_front();
    }
    known = tenants_.try_emplace(tenant).first;
    known->second.used_at = by_use_.insert(by_use_.end(), tenant);
  } else {
    by_use_.splice(by_use_.end(), by_use_, known->second.used_at);
  }
  auto& latest = known->second.latest;
  if (latest.size() == kMostOfATenant) latest.pop_front();
  latest.push_back(std::move(record));
}

std::optional<CallRecord> CallRecords::find(TenantId tenant, std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto known = tenants_.find(tenant);
  if (known == tenants_.end()) return std::nullopt;
  const auto& latest = known->second.latest;
  if (id == "last") return latest.back();
  const auto found = std::ranges::find(latest, id, &CallRecord::id);
  return found == latest.end() ? std::nullopt : std::optional(*found);
}

}  // namespace cairn
