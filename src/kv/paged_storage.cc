#include "kv/paged_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

// Enough to explain the misses of a busy pool, and never more than a few megabytes.
constexpr int64_t kMostGhosts = 4096;

std::span<const TokenId> block_tokens(std::span<const TokenId> tokens, int64_t block) {
  return tokens.subspan(static_cast<size_t>(block * kBlockSize), kBlockSize);
}

const BlockName& parent_of(const PrefixNames& names, int64_t block) {
  return block == 0 ? names.root : names.blocks[static_cast<size_t>(block - 1)];
}

int64_t block_count_of(const KvStoragePlan& plan) {
  return std::accumulate(plan.pool_blocks.begin(), plan.pool_blocks.end(), int64_t{0});
}

PrefixIndex make_index(const KvStoragePlan& plan) {
  if (plan.sharing == PrefixSharing::kOff) return {std::vector<int64_t>(plan.pool_blocks.size()), 0};
  return {plan.pool_blocks, std::min(block_count_of(plan), kMostGhosts)};
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
    groups_.emplace_back(static_cast<int32_t>(groups_.size()), std::move(pool), shares() ? &index_ : nullptr,
                         events);
  }
}

const BlockName& PagedStorage::last_name(SequenceId sequence) const {
  const Chain& c = chain(sequence);
  if (c.sealed_count == 0) return c.root;
  return index_.name({0, table(sequence, 0).at(c.sealed_count - 1)});
}

// The blocks of all groups, or none. So a match goes as far as all groups are resident. (A group whose layers see a
// window only will need no more than the last blocks before the match's end.)
bool PagedStorage::find(const PrefixNames& names, std::span<const TokenId> tokens, int64_t block,
                        FoundBlocks& found) const {
  const BlockName& name = names.blocks[static_cast<size_t>(block)];
  for (int32_t group = 0; group < group_count(); ++group) {
    const auto in_group = index_.find(group, name, block_tokens(tokens, block));
    if (!in_group.has_value()) return false;
    found[static_cast<size_t>(group)] = *in_group;
  }
  return true;
}

int64_t PagedStorage::findable(std::span<const TokenId> tokens, const PrefixNames& names) const {
  if (!shares()) return 0;
  const int64_t most = findable_blocks(std::ssize(tokens));
  FoundBlocks found;
  int64_t count = 0;
  while (count < most && find(names, tokens, count, found)) ++count;
  return count * kBlockSize;
}

KvMatchReport PagedStorage::match(SequenceId sequence, std::span<const TokenId> tokens,
                                  const PrefixNames& names) {
  const KvEventLog::Scope scope(events_, sequence);
  Chain& c = chain(sequence);
  CHECK(end_block(sequence) == 0);
  KvMatchReport report{.text_positions = std::ssize(tokens)};
  if (!shares()) return report;
  c.root = names.root;
  const int64_t most = findable_blocks(std::ssize(tokens));
  FoundBlocks found;
  while (c.sealed_count < most && find(names, tokens, c.sealed_count, found)) {
    for (int32_t group = 0; group < group_count(); ++group) {
      const BlockId block = found[static_cast<size_t>(group)];
      groups_[static_cast<size_t>(group)].pin(block);
      own_table(sequence, group).blocks.push_back(block);
    }
    ++c.sealed_count;
  }
  report.found_positions = c.sealed_count * kBlockSize;
  explain_end(tokens, names, report);
  return report;
}

void PagedStorage::explain_end(std::span<const TokenId> tokens, const PrefixNames& names,
                               KvMatchReport& report) const {
  if (tokens.empty()) return;
  const int64_t block = report.found_positions / kBlockSize;
  if (findable_blocks(std::ssize(tokens)) == 0) {
    report.end = KvMatchEnd::kShorterThanBlock;
    return;
  }
  if (block == findable_blocks(std::ssize(tokens))) {
    report.end = KvMatchEnd::kComplete;
    return;
  }
  report.end = KvMatchEnd::kNothingKnown;
  const auto wanted = block_tokens(tokens, block);
  const auto nearest = index_.nearest(parent_of(names, block), wanted);
  if (!nearest.has_value()) return;
  if (nearest->eviction.has_value()) {
    report.end = KvMatchEnd::kEvicted;
    report.evicted_steps_ago = events_.step() - nearest->eviction->step;
    report.wanted_blocks = nearest->eviction->wanted_blocks;
    report.idle_blocks = nearest->eviction->idle_blocks;
  } else if (nearest->known.has_value()) {
    report.end = KvMatchEnd::kTokensDiffer;
    report.differs_at = report.found_positions + nearest->common;
    report.wanted_token = wanted[static_cast<size_t>(nearest->common)];
    report.known_token = *nearest->known;
  }
}

bool PagedStorage::has_room(int64_t block_count) const {
  return std::ranges::all_of(groups_, [&](const PagedGroup& group) { return group.room() >= block_count; });
}

Room PagedStorage::grow(SequenceId sequence, int64_t end_block) {
  const KvEventLog::Scope scope(events_, sequence);
  const int64_t wanted = end_block - this->end_block(sequence);
  if (!has_room(wanted)) return Room::kNoRoom;
  for (int32_t group = 0; group < group_count(); ++group) {
    std::vector<BlockId>& blocks = own_table(sequence, group).blocks;
    for (int64_t i = 0; i < wanted; ++i) {
      blocks.push_back(groups_[static_cast<size_t>(group)].take(wanted));
    }
  }
  return Room::kOk;
}

int64_t PagedStorage::missing_blocks(SequenceId sequence, int64_t end_block, int32_t group) const {
  const int64_t wanted = end_block - table(sequence, group).end_block();
  return std::max<int64_t>(0, wanted - groups_[static_cast<size_t>(group)].room());
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
}

// Where a group has the node's block already, the two end as one there; the others insert theirs.
void PagedStorage::seal(SequenceId sequence) {
  Chain& c = chain(sequence);
  const BlockName parent = shares() ? last_name(sequence) : BlockName{};
  const BlockName name = shares() ? namer_.child(parent, c.open_tokens) : BlockName{};
  const PrefixIndex::NewNode node{
      .name = name, .parent = parent, .tokens = c.open_tokens, .index = c.sealed_count};
  for (int32_t group = 0; group < group_count(); ++group) {
    BlockId& block = own_table(sequence, group).at(c.sealed_count);
    block = groups_[static_cast<size_t>(group)].seal(block, shares() ? &node : nullptr);
  }
  ++c.sealed_count;
  c.open_count = 0;
}

// From the end, so that a block becomes idle after its children.
void PagedStorage::shrink(SequenceId sequence, int64_t block_count) {
  Chain& c = chain(sequence);
  for (int32_t g = 0; g < group_count(); ++g) {
    KvBlockTable& of = own_table(sequence, g);
    PagedGroup& group = groups_[static_cast<size_t>(g)];
    while (of.end_block() > block_count) {
      const BlockId block = of.blocks.back();
      if (of.end_block() > c.sealed_count) {
        group.drop(block);
      } else {
        group.release(block);
      }
      of.blocks.pop_back();
    }
  }
  c.sealed_count = std::min(c.sealed_count, block_count);
}

int64_t PagedStorage::truncate(SequenceId sequence, int64_t positions) {
  const KvEventLog::Scope scope(events_, sequence);
  Chain& c = chain(sequence);
  const int64_t whole_blocks = positions / kBlockSize;
  const int64_t rest = positions % kBlockSize;
  if (whole_blocks < c.sealed_count || rest == 0) {
    shrink(sequence, whole_blocks + (rest > 0 ? 1 : 0));
    c.open_count = 0;
    if (rest == 0 || reopen(sequence, rest)) return positions;
    shrink(sequence, whole_blocks);
    return whole_blocks * kBlockSize;
  }
  shrink(sequence, whole_blocks + 1);
  c.open_count = rest;
  return positions;
}

// The last blocks are sealed; their first rows go on in open ones. False where a group has no room for that.
bool PagedStorage::reopen(SequenceId sequence, int64_t row_count) {
  Chain& c = chain(sequence);
  const int64_t last = c.sealed_count - 1;
  for (int32_t group = 0; group < group_count(); ++group) {
    if (!groups_[static_cast<size_t>(group)].can_reopen(table(sequence, group).at(last))) return false;
  }
  if (shares()) c.open_tokens = index_.tokens({0, table(sequence, 0).at(last)});
  for (int32_t group = 0; group < group_count(); ++group) {
    BlockId& block = own_table(sequence, group).at(last);
    block = groups_[static_cast<size_t>(group)].reopen(block);
  }
  c.sealed_count = last;
  c.open_count = row_count;
  return true;
}

Room PagedStorage::fork(SequenceId original, int64_t length, SequenceId copy) {
  const KvEventLog::Scope scope(events_, copy);
  CHECK(end_block(copy) == 0);
  const bool has_open_rows = length % kBlockSize != 0;
  if (has_open_rows && !has_room(1)) return Room::kNoRoom;
  const Chain& from = chain(original);
  chain(copy) = from;
  for (int32_t g = 0; g < group_count(); ++g) {
    PagedGroup& group = groups_[static_cast<size_t>(g)];
    const KvBlockTable& of = table(original, g);
    KvBlockTable& to = own_table(copy, g);
    to.first_block = of.first_block;
    for (int64_t b = of.first_block; b < from.sealed_count; ++b) {
      group.pin(of.at(b));
      to.blocks.push_back(of.at(b));
    }
    if (has_open_rows) to.blocks.push_back(group.copy_of(of.at(from.sealed_count)));
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

int64_t PagedStorage::max_blocks_alone() const { return std::ranges::min(plan_.pool_blocks); }

Result<std::unique_ptr<KvStorage>> make_paged_storage(const KvStoragePlan& plan, KvEventLog& events) {
  return PagedStorage::make(plan, events, PagedStorage::Rows::kStay);
}

}  // namespace cairn
