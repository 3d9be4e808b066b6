#include "kv/block_owners.h"

#include <fmt/format.h>

#include "base/check.h"

namespace cairn {

BlockOwners::BlockOwners(int64_t block_count, uint64_t block_bytes, KvAccounts& accounts)
    : block_bytes_(block_bytes),
      accounts_(&accounts),
      charges_(static_cast<size_t>(block_count)),
      idle_(static_cast<size_t>(accounts.count())) {}

void BlockOwners::make_room_for_accounts(int32_t count) {
  if (static_cast<size_t>(count) > idle_.size()) idle_.resize(static_cast<size_t>(count));
}

void BlockOwners::taken(BlockId block, AccountId by) {
  at(block).account = by;
  accounts_->hold(by, block_bytes_);
}

void BlockOwners::dropped(BlockId open_block) {
  accounts_->let_go(at(open_block).account, block_bytes_);
  at(open_block) = {};
}

void BlockOwners::sealed(BlockId block) { at(block).own_pins = at(block).account == kNobody ? 0 : 1; }

void BlockOwners::reopened(BlockId block) { at(block).own_pins = 0; }

void BlockOwners::pinned(BlockId block, AccountId by, BlockState before) {
  Charge& charge = at(block);
  if (before == BlockState::kIdle) {
    unlink(block);
    accounts_->hold(by, block_bytes_);  // before it is let go: what is too much already must not become more
    accounts_->drop_idle(charge.account, block_bytes_);
    charge.account = by;
  }
  if (charge.account == by && by != kNobody) ++charge.own_pins;
}

void BlockOwners::unpinned(BlockId block, AccountId by, BlockState after) {
  Charge& charge = at(block);
  if (charge.account == by && by != kNobody) --charge.own_pins;
  if (after == BlockState::kHeld && (charge.own_pins > 0 || charge.account == kNobody)) return;
  const AccountId account = charge.account;
  if (after == BlockState::kFree) {
    charge = {};
  } else if (after == BlockState::kIdle) {
    accounts_->add_idle(account, block_bytes_);
    link_newest(block);
  } else {
    charge.account = kNobody;
    accounts_->hold(kNobody, block_bytes_);
  }
  accounts_->let_go(account, block_bytes_);
}

void BlockOwners::evicted(BlockId idle_block) {
  unlink(idle_block);
  accounts_->drop_idle(at(idle_block).account, block_bytes_);
  at(idle_block) = {};
}

std::optional<BlockOwners::Oldest> BlockOwners::oldest_idle(AccountId account) const {
  const int32_t oldest = idle_[static_cast<size_t>(account.value)].oldest;
  if (oldest == kNone) return std::nullopt;
  return Oldest{{oldest}, at({oldest}).idle_since};
}

void BlockOwners::link_newest(BlockId block) {
  Charge& charge = at(block);
  IdleList& idle = list(charge.account);
  charge.idle_since = accounts_->next_time();
  charge.older = idle.newest;
  charge.newer = kNone;
  (idle.newest == kNone ? idle.oldest : at({idle.newest}).newer) = block.value;
  idle.newest = block.value;
}

void BlockOwners::unlink(BlockId block) {
  Charge& charge = at(block);
  IdleList& idle = list(charge.account);
  (charge.older == kNone ? idle.oldest : at({charge.older}).newer) = charge.newer;
  (charge.newer == kNone ? idle.newest : at({charge.newer}).older) = charge.older;
  charge.older = charge.newer = kNone;
}

Status BlockOwners::check(const BlockPool& pool, std::span<const int> own_pins,
                          std::vector<KvOwnerCounts>& recounted) const {
  for (int32_t b = 0; b < pool.block_count(); ++b) {
    const Charge& charge = at({b});
    const BlockState state = pool.state({b});
    KvOwnerCounts& counts = recounted[static_cast<size_t>(charge.account.value)];
    if (state == BlockState::kIdle) counts.idle_bytes += block_bytes_;
    if (state == BlockState::kOpen || state == BlockState::kHeld) counts.held_bytes += block_bytes_;
    if (state == BlockState::kFree && charge.account != kNobody) {
      return internal_error(fmt::format("block {} is free and charged to somebody", b));
    }
    if (charge.account == kNobody) continue;
    const int pins = state == BlockState::kHeld ? own_pins[static_cast<size_t>(b)] : 0;
    if (charge.own_pins != pins || (state == BlockState::kHeld && pins == 0)) {
      return internal_error(fmt::format(
          "block {} is pinned {} times by those who pay for it, counted were {}", b, pins, charge.own_pins));
    }
  }
  return check_lists(pool);
}

Status BlockOwners::check_lists(const BlockPool& pool) const {
  int64_t listed = 0;
  for (size_t account = 0; account < idle_.size(); ++account) {
    uint64_t before = 0;
    for (int32_t b = idle_[account].oldest; b != kNone; b = at({b}).newer) {
      const bool belongs = pool.state({b}) == BlockState::kIdle &&
                           at({b}).account.value == static_cast<int32_t>(account) &&
                           at({b}).idle_since > before;
      if (!belongs || ++listed > pool.block_count()) {
        return internal_error(fmt::format("block {} is not in its place among an owner's idle ones", b));
      }
      before = at({b}).idle_since;
    }
  }
  if (listed == pool.idle_count()) return {};
  return internal_error(
      fmt::format("{} blocks are idle, {} of them in their owners' lists", pool.idle_count(), listed));
}

}  // namespace cairn
