// Tenants: who the server serves just now, and how the keys file's names become the engine's TenantIds.
//
// Always true: a name keeps its id as long as it is in the file or a request of it may still run; an id is never given to
// another name. What find() returns does not change: a reload makes new entries, and requests that have begun keep theirs.
// Any thread; calls take a lock for a few instructions only, but for reload().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tenant.h"
#include "server/api_keys.h"

namespace cairn {

// Whether tenants find each other's blocks. Across tenants a reply's time tells whether somebody else sent the same text.
enum class TenantSharing : uint8_t { kWithinTenant, kAcrossTenants };

// Shared by all requests of a tenant between two reloads. A request holds it until it has ended.
struct ServedTenant {
  TenantId id;  // 0: the one tenant of a server without keys
  TenantConfig config;
  std::string salt;  // for Request::salt; empty where tenants share, and without keys
};
using TenantRef = std::shared_ptr<const ServedTenant>;

class Tenants {
 public:
  // `keys` null: no key is needed, everyone is the tenant "anonymous".
  Tenants(std::shared_ptr<const KeyTable> keys, TenantSharing sharing);

  [[nodiscard]] bool needs_key() const;
  // Null: nobody has this key. Without keys everyone is "anonymous", whatever key comes.
  [[nodiscard]] TenantRef find(std::optional<std::string_view> key) const;
  // In the order of the file.
  [[nodiscard]] std::vector<TenantRef> list() const;
  // Of all of them together; at least 1.
  [[nodiscard]] int64_t weights() const;

  // For Engine::set_tenants: all of the file, and those that left it while their requests run.
  [[nodiscard]] std::vector<TenantShare> shares() const;

  struct Change {
    size_t added = 0, changed = 0, removed = 0;
  };
  // Another content of the file. Whoever was removed cannot begin anything more; what runs goes on.
  Change reload(std::shared_ptr<const KeyTable> keys);

 private:
  struct State;
  struct Known {
    TenantId id;
    std::vector<std::weak_ptr<const ServedTenant>> entries;  // that somebody may still hold, the newest last
  };

  TenantRef make_entry(const TenantConfig& config);
  void forget_unused();
  [[nodiscard]] std::shared_ptr<const State> state() const;

  TenantSharing sharing_;
  mutable std::mutex state_mutex_;  // of state_
  std::shared_ptr<const State> state_;
  mutable std::mutex ids_mutex_;  // of all below; reload() holds it throughout
  std::map<std::string, Known, std::less<>> known_;
  uint32_t last_id_ = 0;
};

}  // namespace cairn
