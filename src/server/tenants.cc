#include "server/tenants.h"

#include <algorithm>
#include <utility>

#include "kv/tiers/block_record.h"

namespace cairn {

struct Tenants::State {
  std::shared_ptr<const KeyTable> keys;  // null: no key is needed
  TenantRef anonymous;
  std::vector<TenantRef> entries;                      // in the order of the file
  std::map<const TenantConfig*, TenantRef> by_config;  // of `keys`
  int64_t weights = 0;                                 // of all entries together
};

namespace {

TenantRef make_anonymous() {
  auto entry = std::make_shared<ServedTenant>();
  entry->config.name = kAnonymousName;
  entry->config.metrics = MetricsAccess::kAll;  // whoever reaches a server without keys owns it
  return entry;
}

}  // namespace

Tenants::Tenants(std::shared_ptr<const KeyTable> keys, TenantSharing sharing)
    : sharing_(sharing), state_(std::make_shared<State>()) {
  reload(std::move(keys));
}

std::shared_ptr<const Tenants::State> Tenants::state() const {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

bool Tenants::needs_key() const { return state()->keys != nullptr; }

TenantRef Tenants::find(std::optional<std::string_view> key) const {
  const auto now = state();
  if (now->keys == nullptr) return now->anonymous;
  const TenantConfig* config = key.has_value() ? now->keys->find(*key) : nullptr;
  return config == nullptr ? nullptr : now->by_config.at(config);
}

std::vector<TenantRef> Tenants::list() const {
  const auto now = state();
  return now->keys == nullptr ? std::vector{now->anonymous} : now->entries;
}

int64_t Tenants::weights() const { return std::max<int64_t>(state()->weights, 1); }

std::vector<TenantShare> Tenants::shares() const {
  const std::lock_guard lock(ids_mutex_);
  std::vector<TenantShare> shares;
  for (const auto& [name, known] : known_) {
    TenantShare share{.id = known.id};
    for (const auto& each : known.entries) {  // the newest that is left says what holds
      const TenantRef entry = each.lock();
      if (entry == nullptr) continue;
      share.weight = entry->config.weight;
      share.kv_quota_bytes = entry->config.kv_quota_bytes;
    }
    shares.push_back(share);
  }
  return shares;
}

TenantRef Tenants::make_entry(const TenantConfig& config) {
  Known& known = known_[config.name];
  if (known.id == TenantId{}) known.id = TenantId{++last_id_};
  if (!known.entries.empty()) {
    // One that has not changed stays the same object, so that its requests are counted as one tenant's.
    const TenantRef last = known.entries.back().lock();
    if (last != nullptr && last->config == config) return last;
  }
  auto entry = std::make_shared<ServedTenant>();
  entry->id = known.id;
  entry->config = config;
  if (sharing_ == TenantSharing::kWithinTenant) entry->salt = salt_of(config);
  known.entries.emplace_back(entry);
  return entry;
}

// Entries that nobody holds, and names of which none is left.
void Tenants::forget_unused() {
  for (auto at = known_.begin(); at != known_.end();) {
    std::erase_if(at->second.entries, [](const auto& entry) { return entry.expired(); });
    at = at->second.entries.empty() ? known_.erase(at) : std::next(at);
  }
}

Tenants::Change Tenants::reload(std::shared_ptr<const KeyTable> keys) {
  const std::lock_guard ids_lock(ids_mutex_);
  auto before = state();
  auto now = std::make_shared<State>();
  now->anonymous = before->anonymous != nullptr ? before->anonymous : make_anonymous();
  now->keys = std::move(keys);
  std::map<std::string_view, const ServedTenant*> old_entries;
  for (const TenantRef& entry : before->entries) old_entries[entry->config.name] = entry.get();
  Change change{.removed = old_entries.size()};
  if (now->keys != nullptr) {
    for (const TenantConfig& config : now->keys->tenants()) {
      const auto old = old_entries.find(config.name);
      const TenantRef entry = make_entry(config);
      now->by_config[&config] = entry;
      now->entries.push_back(entry);
      now->weights += config.weight;
      if (old == old_entries.end()) {
        ++change.added;
      } else {
        --change.removed;
        if (old->second != entry.get()) ++change.changed;
      }
    }
  }
  {
    const std::lock_guard lock(state_mutex_);
    state_ = now;
  }
  before.reset();  // its entries live on only where requests hold them
  forget_unused();
  return change;
}

}  // namespace cairn
