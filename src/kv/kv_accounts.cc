#include "kv/kv_accounts.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn {

AccountId KvAccounts::find(KvOwner owner) const {
  const auto found = by_owner_.find(owner);
  return found == by_owner_.end() ? kNobody : found->second;
}

AccountId KvAccounts::name(KvOwner owner) {
  const auto found = by_owner_.find(owner);
  if (found != by_owner_.end()) return found->second;
  const AccountId account{count()};
  accounts_.emplace_back().owner = owner;
  try {
    by_owner_.emplace(owner, account);
  } catch (...) {
    accounts_.pop_back();
    throw;
  }
  return account;
}

void KvAccounts::set_quota(AccountId account, std::optional<uint64_t> quota_bytes) {
  Account& a = of(account);
  if (a.quota_bytes.has_value() && a.limit_bytes > *a.quota_bytes) --excess_count_;
  a.quota_bytes = quota_bytes;
  a.limit_bytes = std::max(quota_bytes.value_or(0), a.charged_bytes());
  if (quota_bytes.has_value() && a.limit_bytes > *quota_bytes) ++excess_count_;
}

// `bytes` may be negative: integers without a sign wrap around.
void KvAccounts::change(AccountId account, uint64_t bytes, uint64_t KvOwnerCounts::* count) {
  Account& a = of(account);
  a.*count += bytes;
  if (excess_count_ > 0) lower_limit(a);
}

void KvAccounts::lower_limit(Account& a) {
  if (!a.quota_bytes.has_value() || a.limit_bytes <= *a.quota_bytes) return;
  a.limit_bytes = std::max(*a.quota_bytes, std::min(a.limit_bytes, a.charged_bytes()));
  if (a.limit_bytes == *a.quota_bytes) --excess_count_;
}

Status KvAccounts::check(const std::vector<KvOwnerCounts>& recounted) const {
  for (size_t i = 0; i < accounts_.size(); ++i) {
    const Account& a = accounts_[i];
    const KvOwnerCounts& found = recounted[i];
    if (a.held_bytes != found.held_bytes || a.idle_bytes != found.idle_bytes ||
        a.promised_bytes != found.promised_bytes) {
      return internal_error(
          fmt::format("owner {} has {} bytes held, {} idle and {} promised; counted were {}, {} and {}",
                      a.owner.value, found.held_bytes, found.idle_bytes, found.promised_bytes, a.held_bytes,
                      a.idle_bytes, a.promised_bytes));
    }
    if (a.quota_bytes.has_value() && a.charged_bytes() > a.limit_bytes) {
      return internal_error(fmt::format("owner {} has {} bytes of a quota of {}", a.owner.value,
                                        a.charged_bytes(), *a.quota_bytes));
    }
  }
  return {};
}

}  // namespace cairn
