// BlockOwners: to which account each block of a layer group is charged, and the idle ones of each account, in the order
// in which they became idle. It follows the arrows of the group's pool, which PagedGroup tells it.
//
// A block is charged to the account of the sequence that took it. It stays so while a sequence of that account pins it
// and while it is idle. Where the last such pin goes and others remain, it is nobody's. An idle block that a sequence
// of another account pins is that one's from then on. A free block is charged to nobody and counted nowhere.
// Memory is taken in the constructor and in add_account(). Inside the kv room only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/status.h"
#include "kv/block_pool.h"
#include "kv/kv_accounts.h"

namespace cairn {

class BlockOwners {
 public:
  // `accounts` must outlive it.
  BlockOwners(int64_t block_count, uint64_t block_bytes, KvAccounts& accounts);
  // KvAccounts is about to have so many. May throw.
  void make_room_for_accounts(int32_t count);

  [[nodiscard]] AccountId account(BlockId block) const { return at(block).account; }
  // Whether a pin by a sequence of `by` would be charged to it; `state` is the block's.
  [[nodiscard]] bool changes_hands(BlockId block, AccountId by, BlockState state) const {
    return state == BlockState::kIdle && at(block).account != by;
  }

  // Whether it is charged to the account, for one sequence alone.
  [[nodiscard]] bool is_sole_of(AccountId account, BlockId block) const {
    return at(block).account == account && at(block).own_pins <= 1;
  }

  // What has happened to a block.
  void taken(BlockId block, AccountId by);
  void dropped(BlockId open_block);
  void sealed(BlockId block);
  void reopened(BlockId block);
  void pinned(BlockId block, AccountId by, BlockState before);
  void unpinned(BlockId block, AccountId by, BlockState after);
  void evicted(BlockId idle_block);

  // The block of an account that has been idle for longest, and since when: a time that the groups share.
  struct Oldest {
    BlockId block;
    uint64_t since = 0;
  };
  [[nodiscard]] std::optional<Oldest> oldest_idle(AccountId account) const;

  // `own_pins`: how many tables of sequences of its account each block is in. Adds what is charged to `recounted`.
  [[nodiscard]] Status check(const BlockPool& pool, std::span<const int> own_pins,
                             std::vector<KvOwnerCounts>& recounted) const;

 private:
  static constexpr int32_t kNone = -1;
  struct Charge {
    AccountId account;
    int32_t own_pins = 0;   // of sequences of the account, which is not nobody's
    int32_t older = kNone;  // idle: its neighbours among the account's
    int32_t newer = kNone;
    uint64_t idle_since = 0;
  };
  struct IdleList {
    int32_t oldest = kNone;
    int32_t newest = kNone;
  };

  [[nodiscard]] const Charge& at(BlockId block) const { return charges_[static_cast<size_t>(block.value)]; }
  [[nodiscard]] Charge& at(BlockId block) { return charges_[static_cast<size_t>(block.value)]; }
  [[nodiscard]] IdleList& list(AccountId account) { return idle_[static_cast<size_t>(account.value)]; }
  void link_newest(BlockId block);
  void unlink(BlockId block);
  [[nodiscard]] Status check_lists(const BlockPool& pool) const;

  uint64_t block_bytes_;
  KvAccounts* accounts_;
  std::vector<Charge> charges_;  // by block
  std::vector<IdleList> idle_;   // by account
};

}  // namespace cairn
