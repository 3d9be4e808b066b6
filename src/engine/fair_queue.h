// FairQueue: the requests that wait for a place, and what each tenant has had of the engine. For Engine only.
//
// Each tenant has a counter, its virtual time: the rows that were computed for it, scaled and divided by its weight
// (Sheng et al.: "Fairness in Serving Large Language Models", OSDI 2024). The next to get a place is the first request,
// by key, of the tenant that has had least; and prompts share a step's rows in that order. Rows that a request will
// certainly compute, its prompt's, are pledged when it gets its place and count for who is next: so of many free places
// no tenant gets all.
//
// Who has asked for nothing has saved nothing: a tenant that begins to wait is lifted to the least counter of those
// that wait or have prompts to run. So is one that is held back (by its quota) when it may go on; while it is held back
// it does not count for the least of the others.
//
// Always true: integers only; the counter of a tenant that waits never falls; with a single tenant the order is that of
// the keys. Pledges of a request that leaves its place are given back, so a tenant pays for what was computed, to the
// row. Memory is taken in tenant() and reserve() alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "engine/request_queue.h"
#include "engine/sequence.h"
#include "engine/tenant.h"

namespace cairn {

// A tenant's state. Lives as long as it has requests, or a share of its own.
struct Tenant {
  TenantId id;
  int64_t weight = 1;
  std::optional<uint64_t> kv_quota_bytes;
  bool has_share = false;  // set_tenants named it

  int64_t served = 0;        // virtual time: rows that were computed * kRowCost / weight, and lifts
  int64_t row_count = 0;     // that were computed
  int64_t pledged_rows = 0;  // of its requests that have a place
  bool is_held_back = false;
  int64_t live_count = 0;  // requests that have not ended
  RequestQueue waiting;
};

class FairQueue {
 public:
  // Virtual time that a row takes of a tenant of weight 1. Divided by any weight it is wrong by 1/1000 at most.
  static constexpr int64_t kRowCost = 1'000'000;

  // All that are not named have weight 1 and no quota. kInvalidArgument: a weight, one named twice. May throw; then
  // nothing has changed.
  Status set_shares(std::span<const TenantShare> shares);
  // May throw.
  Tenant& tenant(TenantId id);
  // Room for one more live request of it. May throw.
  void reserve(Tenant& tenant);

  // A request lives: from Engine::submit to its end. It has no pledges then, and does not wait.
  void add(Sequence& sequence, Tenant& tenant);
  void remove(Sequence& sequence);

  void push(Sequence& sequence);
  void erase(Sequence& sequence);
  [[nodiscard]] size_t size() const { return size_; }
  // The next one; null: none waits whose tenant is not held back.
  [[nodiscard]] Sequence* first() const;
  // Nothing of this tenant is let in before the next begin_round, one for each step.
  void hold_back(Tenant& tenant);
  void begin_round();

  // It has a place, and so many rows to run that it will certainly run.
  void pledge(Sequence& sequence, int64_t row_count);
  // So many of its rows were computed.
  void charge(Sequence& sequence, int64_t row_count);
  // It has lost its place: what was pledged and did not run is given back.
  void unpledge(Sequence& sequence);

  // Rows that were computed for a tenant since it is known; nothing for one that is not.
  [[nodiscard]] int64_t row_count(TenantId id) const;

 private:
  [[nodiscard]] static bool wants_more(const Tenant& tenant) {
    return !tenant.waiting.empty() || tenant.pledged_rows > 0;
  }
  [[nodiscard]] static int64_t cost(const Tenant& tenant, int64_t row_count) {
    return row_count * kRowCost / tenant.weight;
  }
  void lift(Tenant& tenant);
  void advance(const Tenant* beginner = nullptr);
  void forget_strangers();

  std::map<TenantId, Tenant> tenants_;
  std::vector<Tenant*> live_;  // those with live requests
  size_t size_ = 0;
  size_t known_most_ = 64;  // tenants, before those are forgotten that nobody needs
  int64_t now_ = 0;         // virtual: the least counter of those that want more
};

}  // namespace cairn
