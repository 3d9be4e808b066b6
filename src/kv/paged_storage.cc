#include "kv/paged_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

int64_t block_count_of(const KvStoragePlan& plan) {
  return std::accumulate(plan.pool_blocks.begin(), plan.pool_blocks.end(), int64_t{0});
}

PrefixIndex make_index(const KvStoragePlan& plan) {
  if (plan.sharing == PrefixSharing::kOff) return {std::vector<int64_t>(plan.pool_blocks.size()), 0};
  return {plan.pool_blocks, plan.ghost_count};
}

}  // namespace

Result<std::unique_ptr<KvStorage>> PagedStorage::make(const KvStoragePlan& plan, KvEventLog& events,
                                                      Rows rows) {
  CAIRN_RETURN_IF_ERROR(check_block_count(block_count_of(plan)));  // each may have a node of the index
  std::vector<BlockPool> pools;
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    const int64_t block_count = plan.pool_blocks[static_cast<size_t>(group)];
    CAIRN_ASSIGN_OR_RETURN(auto pool,
                           BlockPool::make(plan.geometry.block_bytes(group), block_count, events, group));
    pools.push_back(std::move(pool));
  }
  return std::unique_ptr<KvStorage>(std::make_unique<PagedStorage>(plan, std::move(pools), events, rows));
}

PagedStorage::PagedStorage(const KvStoragePlan& plan, std::vector<BlockPool> pools, KvEventLog& events,
                           Rows rows)
    : KvStorage(plan),
      rows_(rows),
      events_(events),
      index_(make_index(plan)),
      namer_(std::string_view()),
      chains_(static_cast<size_t>(plan.max_sequences)) {
  groups_.reserve(pools.size());
  for (BlockPool& pool : pools) {
    const auto g = static_cast<int32_t>(groups_.size());
    const BlockWindow window(plan.window(g));
    for (int32_t s = 0; s < plan.max_sequences; ++s) {
      KvBlockTable& table = own_table({s}, g);
      table.sink_blocks = table.first_block = window.sink_blocks();
    }
    groups_.emplace_back(g, std::move(pool), window, shares() ? &index_ : nullptr, accounts_, events);
  }
}

// In the groups that keep all; the others always have room.
bool PagedStorage::has_room(int64_t block_count) const {
  return std::ranges::all_of(groups_, [&](const PagedGroup& group) {
    return !group.window().keeps_all() || group.room() >= block_count;
  });
}

// Groups with a window take blocks when a step begins.
Room PagedStorage::grow(SequenceId sequence, int64_t end_block) {
  const KvEventLog::Scope scope(events_, sequence);
  const int64_t wanted = end_block - this->end_block(sequence);
  const Cost cost = cost_of(sequence, end_block);
  const Room room = quota_room(sequence, cost.sum());
  if (room != Room::kOk) return room;
  if (!has_room(wanted)) return Room::kNoRoom;
  make_quota_room(sequence, cost.sum());
  set_promise(sequence, cost.promise_bytes);
  const AccountId by = account(sequence);
  for (int32_t g = 0; g < group_count(); ++g) {
    if (!window(g).keeps_all()) continue;
    for (int64_t i = 0; i < wanted; ++i) own_table(sequence, g).blocks.push_back(group(g).take(by, wanted));
  }
  chain(sequence).room_blocks = end_block;
  return Room::kOk;
}

void PagedStorage::begin_rows(SequenceId sequence, int64_t positions) {
  const KvEventLog::Scope scope(events_, sequence);
  const AccountId by = account(sequence);
  uint64_t taken_bytes = 0;
  for (int32_t g = 0; g < group_count(); ++g) {
    if (window(g).keeps_all()) continue;
    KvBlockTable& of = own_table(sequence, g);
    const int64_t wanted = KvGeometry::blocks_for(positions) - of.end_block();
    CHECK(of.blocks.size() + static_cast<size_t>(std::max<int64_t>(wanted, 0)) <= of.blocks.capacity());
    for (int64_t i = 0; i < wanted; ++i) {
      of.blocks.push_back(group(g).take(by, wanted));
      taken_bytes += group(g).block_bytes();
    }
  }
  const uint64_t promised_bytes = chain(sequence).promised_bytes;
  CHECK(taken_bytes <= promised_bytes || !accounts_.has_quota(by));  // reserve comes before each step
  set_promise(sequence, promised_bytes - std::min(promised_bytes, taken_bytes));
}

void PagedStorage::abandon_rows(SequenceId sequence, int64_t length) {
  const KvEventLog::Scope scope(events_, sequence);
  for (int32_t g = 0; g < group_count(); ++g) {
    if (!window(g).keeps_all()) shrink(sequence, g, KvGeometry::blocks_for(length));
  }
  set_promise(sequence, 0);
}

int64_t PagedStorage::missing_blocks(SequenceId sequence, int64_t end_block, int32_t group) const {
  if (!window(group).keeps_all()) return 0;
  const int64_t wanted = end_block - table(sequence, group).end_block();
  return std::max<int64_t>(0, wanted - this->group(group).room());
}

int64_t PagedStorage::sole_blocks(SequenceId sequence, int32_t group) const {
  return std::ranges::count_if(table(sequence, group).blocks, [&](BlockId block) {
    return groups_[static_cast<size_t>(group)].is_sole(block);
  });
}

void PagedStorage::commit(SequenceId sequence, int64_t length, std::span<const TokenId> tokens) {
  const KvEventLog::Scope scope(events_, sequence);
  Chain& c = chain(sequence);
  CHECK(c.sealed_count * kBlockSize + c.open_count == length);
  for (const TokenId token : tokens) {
    c.open_tokens[static_cast<size_t>(c.open_count++)] = token;
    if (c.open_count == kBlockSize) seal(sequence);
  }
  pass_blocks(sequence, length + std::ssize(tokens));
  set_promise(sequence, 0);
  if (accounts_.have_excess()) evict_excess();
}

const BlockName& PagedStorage::last_name(SequenceId sequence) const {
  const Chain& c = chain(sequence);
  if (c.sealed_count == 0) return c.root;
  return index_.name({0, table(sequence, 0).at(c.sealed_count - 1)});
}

// Where a group has the node's block already, the two end as one there; the others insert theirs.
void PagedStorage::seal(SequenceId sequence) {
  Chain& c = chain(sequence);
  const BlockName parent = shares() ? last_name(sequence) : BlockName{};
  const BlockName name = shares() ? namer_.child(parent, c.open_tokens) : BlockName{};
  const PrefixIndex::NewNode node{
      .name = name, .parent = parent, .tokens = c.open_tokens, .index = c.sealed_count};
  bool is_new = false;
  for (int32_t group = 0; group < group_count(); ++group) {
    BlockId& block = own_table(sequence, group).at(c.sealed_count);
    const BlockId filled =
        std::exchange(block, this->group(group).seal(c.account, block, shares() ? &node : nullptr));
    is_new = is_new || block == filled;
  }
  if (is_new && shares() && show_sealed_) show_sealed(sequence, node);
  ++c.sealed_count;
  c.open_count = 0;
  if (c.tail_count == 0 || c.tails[0] != c.sealed_count) return;
  keep_tail_here(sequence);
  std::shift_left(c.tails.begin(), c.tails.begin() + static_cast<std::ptrdiff_t>(c.tail_count--), 1);
}

// Every group has the block.
void PagedStorage::show_sealed(SequenceId sequence, const PrefixIndex::NewNode& node) {
  const Chain& c = chain(sequence);
  for (int32_t g = 0; g < group_count(); ++g) {
    const BlockPool& pool = group(g).pool();
    const BlockId block = table(sequence, g).at(node.index);
    shown_bytes_[static_cast<size_t>(g)] = {pool.data(block), static_cast<size_t>(pool.block_bytes())};
  }
  show_sealed_({.root = c.root,
                .parent = node.parent,
                .name = node.name,
                .index = node.index,
                .tokens = node.tokens,
                .owner = c.owner,
                .group_bytes = shown_bytes_});
}

void PagedStorage::show_sealed_again(SequenceId sequence, const NamedText& text, int64_t block) {
  if (!shares() || !show_sealed_ || block >= chain(sequence).sealed_count) return;
  for (int32_t g = 0; g < group_count(); ++g) {
    const KvBlockTable& of = table(sequence, g);
    if (block >= of.sink_blocks && block < of.first_block) return;
  }
  const auto at = static_cast<size_t>(block);
  const PrefixIndex::NewNode node{.name = text.names.blocks[at],
                                  .parent = block == 0 ? text.names.root : text.names.blocks[at - 1],
                                  .tokens = text.tokens.subspan(at * kBlockSize, kBlockSize),
                                  .index = block};
  show_sealed(sequence, node);
}

void PagedStorage::watch_sealed(SealedBlockVisitor visit) {
  shown_bytes_.resize(groups_.size());
  show_sealed_ = std::move(visit);
}

// What no query from here on sees goes.
void PagedStorage::pass_blocks(SequenceId sequence, int64_t length) {
  for (int32_t g = 0; g < group_count(); ++g) {
    KvBlockTable& of = own_table(sequence, g);
    const int64_t count = window(g).first_kept(length) - of.first_block;
    if (count <= 0) continue;
    const auto first = of.blocks.begin() + of.sink_blocks;
    for (auto block = first; block != first + count; ++block) group(g).pass(account(sequence), *block);
    of.blocks.erase(first, first + count);
    of.first_block += count;
  }
}

// From the end, so that a block becomes idle after its children.
void PagedStorage::shrink(SequenceId sequence, int64_t block_count) {
  for (int32_t g = 0; g < group_count(); ++g) shrink(sequence, g, block_count);
  Chain& c = chain(sequence);
  c.room_blocks = std::min(c.room_blocks, block_count);
  c.sealed_count = std::min(c.sealed_count, block_count);
  while (c.tail_count > 0 && c.tails[c.tail_count - 1] > block_count) --c.tail_count;
}

void PagedStorage::shrink(SequenceId sequence, int32_t g, int64_t block_count) {
  KvBlockTable& of = own_table(sequence, g);
  while (of.end_block() > block_count && !of.blocks.empty()) {
    const BlockId block = of.blocks.back();
    if (of.end_block() > chain(sequence).sealed_count) {
      group(g).drop(block);
    } else {
      group(g).release(account(sequence), block);
    }
    of.blocks.pop_back();
    if (std::ssize(of.blocks) == of.sink_blocks)
      of.first_block = of.sink_blocks;  // nothing is left out any more
  }
}

void PagedStorage::release_all(SequenceId sequence) {
  shrink(sequence, 0);
  chain(sequence).open_count = 0;
}

int64_t PagedStorage::truncate(SequenceId sequence, int64_t positions, const NamedText* text) {
  const KvEventLog::Scope scope(events_, sequence);
  set_promise(sequence, 0);
  const int64_t kept = cut(sequence, positions, text);
  if (accounts_.have_excess()) evict_excess();
  return kept;
}

int64_t PagedStorage::cut(SequenceId sequence, int64_t positions, const NamedText* text) {
  if (positions == 0) {
    release_all(sequence);
    return 0;
  }
  if (!can_go_on(sequence, positions)) return go_back(sequence, positions, text);
  Chain& c = chain(sequence);
  const int64_t whole_blocks = positions / kBlockSize;
  const int64_t rest = positions % kBlockSize;
  if (whole_blocks < c.sealed_count || rest == 0) {
    shrink(sequence, whole_blocks + (rest > 0 ? 1 : 0));
    c.open_count = 0;
    if (rest == 0 || reopen(sequence, rest)) return positions;
    const int64_t whole = whole_blocks * kBlockSize;
    if (!can_go_on(sequence, whole))
      return go_back(sequence, whole, text);  // a window may have passed its blocks
    shrink(sequence, whole_blocks);
    return whole;
  }
  shrink(sequence, whole_blocks + 1);
  c.open_count = rest;
  return positions;
}

// The last blocks are sealed; their first rows go on in open ones. False where there is no room for that.
bool PagedStorage::reopen(SequenceId sequence, int64_t row_count) {
  Chain& c = chain(sequence);
  const int64_t last = c.sealed_count - 1;
  uint64_t bytes = 0;
  for (int32_t g = 0; g < group_count(); ++g) {
    const BlockId block = table(sequence, g).at(last);
    if (!group(g).can_reopen(block)) return false;
    if (!group(g).can_reopen_in_place(block)) bytes += group(g).block_bytes();
  }
  if (quota_room(sequence, bytes) != Room::kOk) return false;
  make_quota_room(sequence, bytes);
  if (shares()) c.open_tokens = index_.tokens({0, table(sequence, 0).at(last)});
  for (int32_t group = 0; group < group_count(); ++group) {
    BlockId& block = own_table(sequence, group).at(last);
    block = groups_[static_cast<size_t>(group)].reopen(c.account, block);
  }
  c.sealed_count = last;
  c.open_count = row_count;
  return true;
}

Room PagedStorage::fork(SequenceId original, int64_t length, SequenceId copy) {
  const KvEventLog::Scope scope(events_, copy);
  CHECK(end_block(copy) == 0);
  const bool has_open_rows = length % kBlockSize != 0;
  if (fork_exceeds_quota(original, length)) return Room::kOverQuota;
  if (has_open_rows && !has_room(1)) return Room::kNoRoom;
  const AccountId by = account(original);
  if (has_open_rows) evict_own(by, copy_bytes());
  const Chain& from = chain(original);
  chain(copy) = from;
  chain(copy).promised_bytes = 0;
  chain(copy).room_blocks = KvGeometry::blocks_for(length);
  for (int32_t g = 0; g < group_count(); ++g) {
    PagedGroup& group = groups_[static_cast<size_t>(g)];
    const KvBlockTable& of = table(original, g);
    KvBlockTable& to = own_table(copy, g);
    to.first_block = of.first_block;
    for (int64_t b = of.begin(); b < from.sealed_count; b = of.next(b)) {
      group.pin(by, of.at(b));
      to.blocks.push_back(of.at(b));
    }
    if (has_open_rows) to.blocks.push_back(group.copy_of(by, of.at(from.sealed_count)));
  }
  return Room::kOk;
}

uint64_t PagedStorage::pool_bytes() const {
  uint64_t bytes = 0;
  for (const PagedGroup& group : groups_) bytes += group.pool().bytes();
  return bytes;
}

uint64_t PagedStorage::used_bytes() const {
  uint64_t bytes = 0;
  for (const PagedGroup& group : groups_) {
    const int64_t used = group.pool().open_count() + group.pool().held_count();
    bytes += static_cast<uint64_t>(used) * group.pool().block_bytes();
  }
  return bytes;
}

int64_t PagedStorage::max_blocks_alone() const {
  int64_t most = plan_.context_blocks;
  for (const PagedGroup& group : groups_) {
    if (group.window().keeps_all()) most = std::min(most, group.pool().block_count());
  }
  return most;
}

Result<std::unique_ptr<KvStorage>> make_paged_storage(const KvStoragePlan& plan, KvEventLog& events) {
  return PagedStorage::make(plan, events, PagedStorage::Rows::kStay);
}

}  // namespace cairn
