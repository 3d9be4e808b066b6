#include "kv/paged_group.h"

#include <fmt/format.h>

#include <cstring>

#include "base/check.h"

namespace cairn {

PagedGroup::PagedGroup(int32_t group, BlockPool pool, const BlockWindow& window, PrefixIndex* index,
                       KvAccounts& accounts, KvEventLog& events)
    : group_(group),
      pool_(std::move(pool)),
      owners_(pool_.block_count(), pool_.block_bytes(), accounts),
      window_(window),
      is_kept_(static_cast<size_t>(pool_.block_count()), 0),
      index_(index),
      events_(&events) {}

void PagedGroup::evict(BlockId idle_block, const KvEviction& why) {
  CHECK(index_ != nullptr);  // only named blocks are ever idle
  index_->evict({group_, idle_block}, why);
  pool_.evict(idle_block);
  owners_.evicted(idle_block);
  ++evicted_blocks_;
}

void PagedGroup::evict_oldest_of(AccountId account) {
  const std::optional<BlockOwners::Oldest> oldest = owners_.oldest_idle(account);
  CHECK(oldest.has_value());
  evict(oldest->block, {.cause = KvEviction::Cause::kQuota, .step = events_->step()});
}

BlockId PagedGroup::take(AccountId by, int64_t wanted_blocks) {
  if (pool_.free_count() == 0) {
    const std::optional<BlockId> oldest = pool_.oldest_idle();
    CHECK(oldest.has_value());
    evict(*oldest,
          {.step = events_->step(), .wanted_blocks = wanted_blocks, .idle_blocks = pool_.idle_count()});
  }
  const BlockId block = *pool_.take();
  owners_.taken(block, by);
  is_kept_[static_cast<size_t>(block.value)] = 0;
  return block;
}

BlockId PagedGroup::copy_of(AccountId by, BlockId block) {
  const BlockId copy = take(by, 1);
  std::memcpy(pool_.data(copy), pool_.data(block), static_cast<size_t>(pool_.block_bytes()));
  return copy;
}

void PagedGroup::drop(BlockId open_block) {
  pool_.drop(open_block);
  owners_.dropped(open_block);
}

void PagedGroup::pin(AccountId by, BlockId sealed_block) {
  const BlockState before = pool_.state(sealed_block);
  pool_.pin(sealed_block);
  owners_.pinned(sealed_block, by, before);
}

void PagedGroup::unpin(AccountId by, BlockId block, Unpinned becomes) {
  pool_.unpin(block, becomes);
  owners_.unpinned(block, by, pool_.state(block));
}

void PagedGroup::release(AccountId by, BlockId sealed_block) {
  unpin(by, sealed_block, index_ != nullptr ? Unpinned::kIdle : Unpinned::kFree);
}

void PagedGroup::pass(AccountId by, BlockId sealed_block) {
  ++passed_blocks_;
  events_->of_block(KvEventKind::kPassed, group_, sealed_block);
  const bool stays = index_ != nullptr && is_kept_[static_cast<size_t>(sealed_block.value)] != 0;
  if (index_ != nullptr && !stays && pool_.pin_count(sealed_block) == 1) {
    index_->evict({group_, sealed_block},
                  {.cause = KvEviction::Cause::kOutOfWindow, .step = events_->step()});
  }
  unpin(by, sealed_block, stays ? Unpinned::kIdle : Unpinned::kFree);
}

BlockId PagedGroup::seal(AccountId by, BlockId open_block, const PrefixIndex::NewNode* node) {
  pool_.seal(open_block);
  owners_.sealed(open_block);
  if (node == nullptr) return open_block;
  const std::optional<BlockId> twin = index_->find(group_, node->name, node->tokens);
  if (!twin.has_value()) {
    index_->insert({group_, open_block}, *node);
    return open_block;
  }
  events_->of_block(KvEventKind::kUnified, group_, *twin);
  pin(by, *twin);
  unpin(by, open_block, Unpinned::kFree);
  ++unified_blocks_;
  return *twin;
}

bool PagedGroup::can_reopen(BlockId sealed_block) const {
  return can_reopen_in_place(sealed_block) || room() > 0;
}

BlockId PagedGroup::reopen(AccountId by, BlockId sealed_block) {
  if (can_reopen_in_place(sealed_block)) {
    pool_.reopen(sealed_block);
    owners_.reopened(sealed_block);
    return sealed_block;
  }
  const BlockId copy = copy_of(by, sealed_block);
  release(by, sealed_block);
  return copy;
}

bool PagedGroup::is_sole(BlockId block) const {
  return pool_.state(block) == BlockState::kOpen || pool_.pin_count(block) == 1;
}

KvBlockCounts PagedGroup::counts() const {
  return {.block_count = pool_.block_count(),
          .free_blocks = pool_.free_count(),
          .open_blocks = pool_.open_count(),
          .held_blocks = pool_.held_count(),
          .idle_blocks = pool_.idle_count(),
          .evicted_blocks = evicted_blocks_,
          .unified_blocks = unified_blocks_,
          .passed_blocks = passed_blocks_};
}

Status PagedGroup::check(std::span<const int> pins, std::span<const int> own_pins,
                         std::vector<KvOwnerCounts>& recounted) const {
  CAIRN_RETURN_IF_ERROR(pool_.check());
  CAIRN_RETURN_IF_ERROR(owners_.check(pool_, own_pins, recounted));
  for (int32_t b = 0; b < pool_.block_count(); ++b) {
    const int count = pins[static_cast<size_t>(b)];
    const BlockState state = pool_.state({b});
    const int expected = state == BlockState::kOpen ? 1 : pool_.pin_count({b});
    if (count != expected) {
      return internal_error(fmt::format("block {} of group {} is in {} tables, but is pinned {} times", b,
                                        group_, count, expected));
    }
    if (index_ == nullptr || state == BlockState::kHeld) continue;
    if (index_->has_name({group_, {b}}) != (state == BlockState::kIdle)) {
      return internal_error(
          fmt::format("block {} of group {} is named and not sealed, or idle without a name", b, group_));
    }
  }
  return {};
}

}  // namespace cairn
