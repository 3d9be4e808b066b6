#include "kv/paged_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
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

}  // namespace

PagedStorage::PagedStorage(const KvStoragePlan& plan, BlockPool pool, KvEventLog& events, Rows rows)
    : KvStorage(plan),
      rows_(rows),
      pool_(std::move(pool)),
      events_(events),
      index_(shares() ? pool_.block_count() : 0, shares() ? std::min(pool_.block_count(), kMostGhosts) : 0),
      namer_(std::string_view()),
      chains_(static_cast<size_t>(plan.max_sequences)) {}

const BlockName& PagedStorage::last_name(SequenceId sequence) const {
  const Chain& c = chains_[static_cast<size_t>(sequence.value)];
  if (c.sealed_count == 0) return c.root;
  return index_.name(table(sequence).blocks[static_cast<size_t>(c.sealed_count - 1)]);
}

int64_t PagedStorage::findable(std::span<const TokenId> tokens, const PrefixNames& names) const {
  if (!shares()) return 0;
  const int64_t most = findable_blocks(std::ssize(tokens));
  int64_t found = 0;
  while (found < most &&
         index_.find(names.blocks[static_cast<size_t>(found)], block_tokens(tokens, found)).has_value()) {
    ++found;
  }
  return found * kBlockSize;
}

KvMatchReport PagedStorage::match(SequenceId sequence, std::span<const TokenId> tokens,
                                  const PrefixNames& names) {
  const KvEventLog::Scope scope(events_, sequence);
  Chain& c = chain(sequence);
  CHECK(table(sequence).blocks.empty());
  KvMatchReport report{.text_positions = std::ssize(tokens)};
  if (!shares()) return report;
  c.root = names.root;
  const int64_t most = findable_blocks(std::ssize(tokens));
  for (int64_t b = 0; b < most; ++b) {
    const auto found = index_.find(names.blocks[static_cast<size_t>(b)], block_tokens(tokens, b));
    if (!found.has_value()) break;
    pool_.pin(*found);
    own_table(sequence).blocks.push_back(*found);
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

// There is a free or an idle block.
BlockId PagedStorage::take_or_evict(int64_t wanted_blocks) {
  if (pool_.free_count() == 0) {
    const std::optional<BlockId> oldest = pool_.oldest_idle();
    CHECK(oldest.has_value());
    index_.evict(*oldest,
                 {.step = events_.step(), .wanted_blocks = wanted_blocks, .idle_blocks = pool_.idle_count()});
    pool_.evict(*oldest);
    ++evicted_blocks_;
  }
  return *pool_.take();
}

Room PagedStorage::grow(SequenceId sequence, int64_t end_block) {
  const KvEventLog::Scope scope(events_, sequence);
  KvBlockTable& of = own_table(sequence);
  const int64_t wanted = end_block - of.end_block();
  if (wanted > room_count()) return Room::kNoRoom;
  for (int64_t i = 0; i < wanted; ++i) of.blocks.push_back(take_or_evict(wanted));
  return Room::kOk;
}

int64_t PagedStorage::missing_blocks(SequenceId sequence, int64_t end_block) const {
  return std::max<int64_t>(0, end_block - table(sequence).end_block() - room_count());
}

int64_t PagedStorage::sole_blocks(SequenceId sequence) const {
  return std::ranges::count_if(table(sequence).blocks, [&](BlockId block) {
    return pool_.state(block) == BlockState::kOpen || pool_.pin_count(block) == 1;
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

void PagedStorage::seal(SequenceId sequence) {
  Chain& c = chain(sequence);
  BlockId& block = own_table(sequence).blocks[static_cast<size_t>(c.sealed_count)];
  pool_.seal(block);
  if (shares()) block = name(sequence, block);
  ++c.sealed_count;
  c.open_count = 0;
}

// A block that another sequence has computed already ends as one with it: their bits are the same. Returns the block
// that stays.
BlockId PagedStorage::name(SequenceId sequence, BlockId block) {
  const Chain& c = chain(sequence);
  const BlockName& parent = last_name(sequence);
  const BlockName name = namer_.child(parent, c.open_tokens);
  const std::optional<BlockId> twin = index_.find(name, c.open_tokens);
  if (!twin.has_value()) {
    index_.insert(block,
                  {.name = name, .parent = parent, .tokens = c.open_tokens, .is_first = c.sealed_count == 0});
    return block;
  }
  events_.of_block(KvEventKind::kUnified, *twin);
  pool_.pin(*twin);
  pool_.unpin(block, Unpinned::kFree);
  ++unified_blocks_;
  return *twin;
}

void PagedStorage::release(BlockId sealed_block) {
  pool_.unpin(sealed_block, shares() ? Unpinned::kIdle : Unpinned::kFree);
}

// From the end, so that a block becomes idle after its children.
void PagedStorage::shrink(SequenceId sequence, int64_t block_count) {
  Chain& c = chain(sequence);
  std::vector<BlockId>& blocks = own_table(sequence).blocks;
  while (std::ssize(blocks) > block_count) {
    const BlockId block = blocks.back();
    if (std::ssize(blocks) > c.sealed_count) {
      pool_.drop(block);
    } else {
      release(block);
      --c.sealed_count;
    }
    blocks.pop_back();
  }
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

// The last block is sealed; its first rows go on as an open block: itself where no other sequence can find it, else
// a copy.
bool PagedStorage::reopen(SequenceId sequence, int64_t row_count) {
  Chain& c = chain(sequence);
  BlockId& last = own_table(sequence).blocks.back();
  if (!shares() && pool_.pin_count(last) == 1) {
    pool_.reopen(last);
  } else {
    if (room_count() == 0) return false;
    const BlockId copy = take_or_evict(1);
    std::memcpy(pool_.data(copy), pool_.data(last), static_cast<size_t>(block_bytes()));
    if (shares()) c.open_tokens = index_.tokens(last);
    release(last);
    last = copy;
  }
  --c.sealed_count;
  c.open_count = row_count;
  return true;
}

Room PagedStorage::fork(SequenceId original, int64_t length, SequenceId copy) {
  const KvEventLog::Scope scope(events_, copy);
  const Chain& from = chain(original);
  const std::vector<BlockId>& from_blocks = table(original).blocks;
  std::vector<BlockId>& to_blocks = own_table(copy).blocks;
  CHECK(to_blocks.empty());
  const bool has_open_rows = length % kBlockSize != 0;
  if (has_open_rows && room_count() == 0) return Room::kNoRoom;
  chain(copy) = from;
  for (int64_t b = 0; b < from.sealed_count; ++b) {
    const BlockId block = from_blocks[static_cast<size_t>(b)];
    pool_.pin(block);
    to_blocks.push_back(block);
  }
  if (has_open_rows) {
    const BlockId open = from_blocks[static_cast<size_t>(from.sealed_count)];
    to_blocks.push_back(take_or_evict(1));
    std::memcpy(pool_.data(to_blocks.back()), pool_.data(open), static_cast<size_t>(block_bytes()));
  }
  return Room::kOk;
}

KvCounts PagedStorage::counts() const {
  return {.block_count = pool_.block_count(),
          .free_blocks = pool_.free_count(),
          .open_blocks = pool_.open_count(),
          .held_blocks = pool_.held_count(),
          .idle_blocks = pool_.idle_count(),
          .evicted_blocks = evicted_blocks_,
          .unified_blocks = unified_blocks_};
}

Status PagedStorage::check_chain(SequenceId sequence, std::vector<int>& pins) const {
  const Chain& c = chains_[static_cast<size_t>(sequence.value)];
  const std::vector<BlockId>& blocks = table(sequence).blocks;
  if (c.sealed_count > std::ssize(blocks) || (c.open_count > 0 && c.sealed_count == std::ssize(blocks))) {
    return internal_error(fmt::format("sequence {} has more rows than blocks", sequence.value));
  }
  for (int64_t b = 0; b < std::ssize(blocks); ++b) {
    const BlockId block = blocks[static_cast<size_t>(b)];
    if (block.value < 0 || block.value >= pool_.block_count()) {
      return internal_error(fmt::format("sequence {} has a block outside the pool", sequence.value));
    }
    const bool is_sealed = b < c.sealed_count;
    if (pool_.state(block) != (is_sealed ? BlockState::kHeld : BlockState::kOpen)) {
      return internal_error(fmt::format("block {} of a sequence is in the wrong state", block.value));
    }
    ++pins[static_cast<size_t>(block.value)];
  }
  return shares() ? check_names(sequence) : Status();
}

// Each sealed block has the name that follows from its predecessor's name and its tokens.
Status PagedStorage::check_names(SequenceId sequence) const {
  const Chain& c = chains_[static_cast<size_t>(sequence.value)];
  BlockNamer namer{std::string_view()};
  BlockName parent = c.root;
  for (const BlockId block : std::span(table(sequence).blocks).first(static_cast<size_t>(c.sealed_count))) {
    if (!index_.has_name(block)) {
      return internal_error(fmt::format("sealed block {} has no name", block.value));
    }
    if (index_.name(block) != namer.child(parent, index_.tokens(block))) {
      return internal_error(fmt::format("block {} does not belong behind the one before it", block.value));
    }
    parent = index_.name(block);
  }
  return {};
}

Status PagedStorage::check() const {
  CAIRN_RETURN_IF_ERROR(pool_.check());
  CAIRN_RETURN_IF_ERROR(index_.check());
  std::vector<int> pins(static_cast<size_t>(pool_.block_count()), 0);
  for (int32_t s = 0; s < std::ssize(tables_); ++s) CAIRN_RETURN_IF_ERROR(check_chain({s}, pins));
  for (int32_t b = 0; b < pool_.block_count(); ++b) {
    const int count = pins[static_cast<size_t>(b)];
    const BlockState state = pool_.state({b});
    const int expected = state == BlockState::kOpen ? 1 : pool_.pin_count({b});
    if (count != expected) {
      return internal_error(
          fmt::format("block {} is in {} tables, but is pinned {} times", b, count, expected));
    }
    if (shares() && state != BlockState::kHeld && index_.has_name({b}) != (state == BlockState::kIdle)) {
      return internal_error(fmt::format("block {} is named and not sealed, or idle without a name", b));
    }
  }
  return {};
}

Result<std::unique_ptr<KvStorage>> make_paged_storage(const KvStoragePlan& plan, KvEventLog& events) {
  CAIRN_ASSIGN_OR_RETURN(auto pool, BlockPool::make(plan.geometry.block_bytes(), plan.pool_blocks, events));
  return std::unique_ptr<KvStorage>(
      std::make_unique<PagedStorage>(plan, std::move(pool), events, PagedStorage::Rows::kStay));
}

}  // namespace cairn
