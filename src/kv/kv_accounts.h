// KvAccounts: how many bytes of blocks are charged to each owner, and how many may be. Integers only; which block is
// charged to whom is in block_owners.h.
//
// Always true: what is charged to an account with a quota is at most the quota; but where the quota was lowered below
// that, it only becomes less. Memory is taken in name() alone. Inside the kv room only.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "cairn/status.h"
#include "kv/kv_owner.h"

namespace cairn {

// Small and dense. The first is nobody's: of sequences whose owner has no name, and of blocks that are held, but by none
// of those that they were charged to.
struct AccountId {
  int32_t value = 0;
  friend auto operator<=>(const AccountId&, const AccountId&) = default;
};
inline constexpr AccountId kNobody{};

class KvAccounts {
 public:
  KvAccounts() { accounts_.emplace_back(); }

  // kNobody where it has no name.
  [[nodiscard]] AccountId find(KvOwner owner) const;
  // May throw.
  AccountId name(KvOwner owner);
  [[nodiscard]] int32_t count() const { return static_cast<int32_t>(accounts_.size()); }

  void set_quota(AccountId account, std::optional<uint64_t> quota_bytes);
  [[nodiscard]] bool has_quota(AccountId account) const { return of(account).quota_bytes.has_value(); }
  // Whether so many bytes more may be charged: as it is; when its idle blocks are gone; where nothing else is charged.
  [[nodiscard]] bool may_take(AccountId account, uint64_t bytes) const {
    return fits(account, of(account).charged_bytes(), bytes);
  }
  [[nodiscard]] bool could_take(AccountId account, uint64_t bytes) const {
    return fits(account, of(account).held_bytes + of(account).promised_bytes, bytes);
  }
  [[nodiscard]] bool could_ever_take(AccountId account, uint64_t bytes) const {
    return fits(account, 0, bytes);
  }
  // More is charged than the quota allows: it was lowered.
  [[nodiscard]] bool has_excess(AccountId account) const { return !may_take(account, 0); }
  [[nodiscard]] bool have_excess() const { return excess_count_ > 0; }

  void hold(AccountId account, uint64_t bytes) { change(account, bytes, &KvOwnerCounts::held_bytes); }
  void let_go(AccountId account, uint64_t bytes) { change(account, 0 - bytes, &KvOwnerCounts::held_bytes); }
  void add_idle(AccountId account, uint64_t bytes) { change(account, bytes, &KvOwnerCounts::idle_bytes); }
  void drop_idle(AccountId account, uint64_t bytes) {
    change(account, 0 - bytes, &KvOwnerCounts::idle_bytes);
  }
  void promise(AccountId account, uint64_t bytes) { change(account, bytes, &KvOwnerCounts::promised_bytes); }
  void take_promise_back(AccountId account, uint64_t bytes) {
    change(account, 0 - bytes, &KvOwnerCounts::promised_bytes);
  }

  // Larger with each call: when a block became idle, the same for all groups.
  uint64_t next_time() { return ++time_; }

  [[nodiscard]] const KvOwnerCounts& counts(AccountId account) const { return of(account); }
  // `recounted`: what was found to be charged, by account.
  [[nodiscard]] Status check(const std::vector<KvOwnerCounts>& recounted) const;

 private:
  struct Account : KvOwnerCounts {
    uint64_t limit_bytes =
        0;  // with a quota: at most so many are charged; more than the quota where it was lowered
  };

  [[nodiscard]] const Account& of(AccountId account) const {
    return accounts_[static_cast<size_t>(account.value)];
  }
  [[nodiscard]] Account& of(AccountId account) { return accounts_[static_cast<size_t>(account.value)]; }
  // Whether its quota has room for `bytes` beside `charged_bytes`.
  [[nodiscard]] bool fits(AccountId account, uint64_t charged_bytes, uint64_t bytes) const {
    const std::optional<uint64_t>& quota = of(account).quota_bytes;
    return !quota.has_value() || (charged_bytes <= *quota && bytes <= *quota - charged_bytes);
  }
  void change(AccountId account, uint64_t bytes, uint64_t KvOwnerCounts::* count);
  void lower_limit(Account& account);

  std::vector<Account> accounts_;
  std::map<KvOwner, AccountId> by_owner_;
  uint64_t time_ = 0;
  int32_t excess_count_ = 0;  // accounts whose limit is above their quota
};

}  // namespace cairn
