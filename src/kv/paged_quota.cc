// Who pays for the blocks of paged storage: what an operation would cost a sequence's owner, whether its quota allows for
// that, and the owner's own idle blocks, which go first.
//
// Groups with a window take blocks when a step begins, which cannot be refused. So what the next step of a sequence may
// take there is promised to it when it asks for room, and counts like blocks that it has until the step has ended.
#include <algorithm>
#include <optional>

#include "base/check.h"
#include "kv/paged_storage.h"

namespace cairn {

void PagedStorage::set_owner(SequenceId sequence, KvOwner owner) {
  CHECK(end_block(sequence) == 0);
  CHECK(chain(sequence).promised_bytes == 0);
  chain(sequence).owner = owner;
  chain(sequence).account = accounts_.find(owner);
}

PagedStorage::Cost PagedStorage::cost_of(SequenceId sequence, int64_t end_block) const {
  const Chain& c = chain(sequence);
  if (c.account == kNobody) return {};
  const int64_t length = c.sealed_count * kBlockSize + c.open_count;
  const int64_t step_end = std::min(end_block, KvGeometry::blocks_for(length + plan_.step_rows));
  Cost cost;
  for (int32_t g = 0; g < group_count(); ++g) {
    const bool keeps_all = window(g).keeps_all();
    const int64_t wanted = (keeps_all ? end_block : step_end) - table(sequence, g).end_block();
    const uint64_t bytes = static_cast<uint64_t>(std::max<int64_t>(0, wanted)) * group(g).block_bytes();
    (keeps_all ? cost.now_bytes : cost.promise_bytes) += bytes;
  }
  return cost;
}

uint64_t PagedStorage::copy_bytes() const {
  uint64_t bytes = 0;
  for (const PagedGroup& group : groups_) bytes += group.block_bytes();
  return bytes;
}

Room PagedStorage::quota_room(SequenceId sequence, uint64_t bytes) const {
  const AccountId by = account(sequence);
  const uint64_t promised_bytes = chain(sequence).promised_bytes;
  if (bytes <= promised_bytes || accounts_.could_take(by, bytes - promised_bytes)) return Room::kOk;
  return accounts_.could_ever_take(by, own_bytes(sequence) + bytes) ? Room::kOverQuota : Room::kExceedsQuota;
}

// Of the blocks that it has, those that are charged to its owner.
uint64_t PagedStorage::own_bytes(SequenceId sequence) const {
  uint64_t bytes = 0;
  for (int32_t g = 0; g < group_count(); ++g) {
    for (const BlockId block : table(sequence, g).blocks) {
      if (group(g).owners().account(block) == account(sequence)) bytes += group(g).block_bytes();
    }
  }
  return bytes;
}

uint64_t PagedStorage::sole_quota_bytes(SequenceId sequence) const {
  uint64_t bytes = chain(sequence).promised_bytes;
  for (int32_t g = 0; g < group_count(); ++g) {
    for (const BlockId block : table(sequence, g).blocks) {
      if (group(g).is_sole_of(account(sequence), block)) bytes += group(g).block_bytes();
    }
  }
  return bytes;
}

void PagedStorage::make_quota_room(SequenceId sequence, uint64_t bytes) {
  const uint64_t promised_bytes = chain(sequence).promised_bytes;
  if (bytes > promised_bytes) evict_own(account(sequence), bytes - promised_bytes);
}

void PagedStorage::set_promise(SequenceId sequence, uint64_t bytes) {
  Chain& c = chain(sequence);
  if (c.promised_bytes == bytes) return;
  accounts_.promise(c.account,
                    bytes);  // before the old one goes: what is too much already must not become more
  accounts_.take_promise_back(c.account, c.promised_bytes);
  c.promised_bytes = bytes;
}

Room PagedStorage::promise(SequenceId sequence, int64_t end_block) {
  const KvEventLog::Scope scope(events_, sequence);
  const Cost cost = cost_of(sequence, end_block);
  CHECK(cost.now_bytes == 0);
  const Room room = quota_room(sequence, cost.promise_bytes);
  if (room != Room::kOk) return room;
  make_quota_room(sequence, cost.promise_bytes);
  set_promise(sequence, cost.promise_bytes);
  return Room::kOk;
}

uint64_t PagedStorage::quota_shortage(SequenceId sequence, int64_t end_block) const {
  const AccountId by = account(sequence);
  if (!accounts_.has_quota(by)) return 0;
  const KvOwnerCounts& counts = accounts_.counts(by);
  const uint64_t wanted = counts.held_bytes + counts.promised_bytes - chain(sequence).promised_bytes +
                          cost_of(sequence, end_block).sum();
  return wanted - std::min(wanted, *counts.quota_bytes);
}

// The quota has room for so many bytes more, once enough of the account's idle blocks are gone.
void PagedStorage::evict_own(AccountId account, uint64_t bytes) {
  while (!accounts_.may_take(account, bytes)) {
    PagedGroup* of = nullptr;
    uint64_t since = 0;
    for (PagedGroup& group : groups_) {
      const std::optional<BlockOwners::Oldest> oldest = group.owners().oldest_idle(account);
      if (!oldest.has_value() || (of != nullptr && oldest->since > since)) continue;
      of = &group;
      since = oldest->since;
    }
    if (of == nullptr) return;
    of->evict_oldest_of(account);
  }
}

// Of all accounts whose quota was lowered below what is charged to them.
void PagedStorage::evict_excess() {
  for (int32_t a = 0; a < accounts_.count(); ++a) {
    if (accounts_.has_excess({a})) evict_own({a}, 0);
  }
}

PagedStorage::Takeover PagedStorage::takeover_of(AccountId by, std::span<const BlockName> names) const {
  const int64_t count = std::ssize(names);
  Takeover takeover{.bytes = 0, .first_block = count};
  for (int32_t g = 0; g < group_count(); ++g) {
    KvBlockTable wanted;
    wanted.sink_blocks = window(g).sink_blocks();
    wanted.first_block = window(g).first_needed(count * kBlockSize);
    for (int64_t b = wanted.begin(); b < count; b = wanted.next(b)) {
      const BlockName& name = names[static_cast<size_t>(b)];
      const std::optional<BlockId> block = index_.find(g, name, index_.tokens_of(name));
      CHECK(block.has_value());
      if (!group(g).changes_hands(by, *block)) continue;
      takeover.bytes += group(g).block_bytes();
      takeover.first_block = std::min(takeover.first_block, b);
    }
  }
  return takeover;
}

bool PagedStorage::fork_exceeds_quota(SequenceId original, int64_t length) const {
  return length % kBlockSize != 0 && !accounts_.could_take(account(original), copy_bytes());
}

Status PagedStorage::set_quota(KvOwner owner, std::optional<uint64_t> quota_bytes) {
  for (PagedGroup& group : groups_) group.make_room_for_accounts(accounts_.count() + 1);
  const AccountId account = accounts_.name(owner);
  accounts_.set_quota(account, quota_bytes);
  evict_own(account, 0);
  return {};
}

KvOwnerCounts PagedStorage::owner_counts(KvOwner owner) const {
  const AccountId account = accounts_.find(owner);
  if (account == kNobody) return KvStorage::owner_counts(owner);
  return accounts_.counts(account);
}

std::vector<KvOwnerCounts> PagedStorage::owner_counts() const {
  std::vector<KvOwnerCounts> all;
  for (int32_t a = 1; a < accounts_.count(); ++a) all.push_back(accounts_.counts({a}));
  return all;
}

}  // namespace cairn
