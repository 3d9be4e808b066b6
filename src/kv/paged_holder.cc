#include "kv/paged_holder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

// One pool holds blocks of one model and one instruction set, so within it the plan is all that could differ.
std::string space_of(const KvGeometry& geometry) {
  const KvLayout layout = geometry.layout();
  return fmt::format("{} layers, {} heads of {}, {} positions, {}", geometry.layer_count(),
                     layout.kv_head_count, layout.head_dim, kBlockSize, geometry.plan().text());
}

}  // namespace

PagedHolder::PagedHolder(const KvHolderPlan& plan, BlockPool pool, Rows rows)
    : sharing_(plan.sharing),
      rows_(rows),
      block_bytes_(plan.geometry.block_bytes()),
      pool_(std::move(pool)),
      tree_(shares() ? pool_.block_count() : 0),
      chains_(static_cast<size_t>(plan.max_sequences)),
      space_(space_of(plan.geometry)) {
  for (Chain& chain : chains_) chain.blocks.reserve(static_cast<size_t>(plan.context_blocks));
}

const BlockName& PagedHolder::last_name(const Chain& chain) const {
  if (chain.sealed_count == 0) return chain.root;
  return tree_.name(chain.blocks[static_cast<size_t>(chain.sealed_count - 1)]);
}

void PagedHolder::append(Chain& chain, KvBlockTable& table, BlockId block) {
  chain.blocks.push_back(block);
  table.push_back(pool_.data(block));
}

int64_t PagedHolder::match(SequenceId sequence, KvBlockTable& table, std::span<const TokenId> tokens,
                           std::string_view salt) {
  Chain& c = chain(sequence);
  CHECK(c.blocks.empty());
  if (!shares()) return 0;
  c.root = tree_.root_name(space_, salt);
  // The last token always runs: its logits are wanted.
  const int64_t block_count = (static_cast<int64_t>(tokens.size()) - 1) / kBlockSize;
  for (int64_t b = 0; b < block_count; ++b) {
    const auto block_tokens = tokens.subspan(static_cast<size_t>(b * kBlockSize), kBlockSize);
    const auto found = tree_.find(tree_.name_of(last_name(c), block_tokens), block_tokens);
    if (!found.has_value()) break;
    pool_.pin(*found);
    append(c, table, *found);
    ++c.sealed_count;
  }
  matched_positions_ += c.sealed_count * kBlockSize;
  return c.sealed_count * kBlockSize;
}

// There is a free or an idle block.
BlockId PagedHolder::take_or_evict() {
  if (pool_.free_count() == 0) {
    const std::optional<BlockId> oldest = pool_.oldest_idle();
    CHECK(oldest.has_value());
    tree_.erase(*oldest);
    pool_.evict(*oldest);
    ++evicted_blocks_;
  }
  return *pool_.take();
}

Room PagedHolder::grow(SequenceId sequence, KvBlockTable& table, int64_t block_count) {
  Chain& c = chain(sequence);
  const int64_t wanted = block_count - static_cast<int64_t>(table.size());
  if (wanted > pool_.free_count() + pool_.idle_count()) return Room::kNoRoom;
  for (int64_t i = 0; i < wanted; ++i) append(c, table, take_or_evict());
  return Room::kOk;
}

void PagedHolder::commit(SequenceId sequence, KvBlockTable& table, int64_t length,
                         std::span<const TokenId> tokens) {
  Chain& c = chain(sequence);
  CHECK(c.sealed_count * kBlockSize + c.open_count == length);
  for (const TokenId token : tokens) {
    c.open_tokens[static_cast<size_t>(c.open_count++)] = token;
    if (c.open_count == kBlockSize) seal(c, table);
  }
}

void PagedHolder::seal(Chain& chain, KvBlockTable& table) {
  const BlockId block = chain.blocks[static_cast<size_t>(chain.sealed_count)];
  pool_.seal(block);
  if (shares()) name(chain, table, block);
  ++chain.sealed_count;
  chain.open_count = 0;
}

// A block that another sequence has computed already ends as one with it: their bits are the same.
void PagedHolder::name(Chain& chain, KvBlockTable& table, BlockId block) {
  const BlockName name = tree_.name_of(last_name(chain), chain.open_tokens);
  const std::optional<BlockId> twin = tree_.find(name, chain.open_tokens);
  if (!twin.has_value()) return tree_.insert(block, name, chain.open_tokens);
  pool_.pin(*twin);
  pool_.unpin(block, Unpinned::kFree);
  const auto index = static_cast<size_t>(chain.sealed_count);
  chain.blocks[index] = *twin;
  table[index] = pool_.data(*twin);
  ++unified_blocks_;
}

void PagedHolder::release(BlockId sealed_block) {
  pool_.unpin(sealed_block, shares() ? Unpinned::kIdle : Unpinned::kFree);
}

// From the end, so that what lies idle is let go after what hangs on it.
void PagedHolder::shrink(Chain& chain, KvBlockTable& table, int64_t block_count) {
  while (static_cast<int64_t>(chain.blocks.size()) > block_count) {
    const BlockId block = chain.blocks.back();
    if (static_cast<int64_t>(chain.blocks.size()) > chain.sealed_count) {
      pool_.drop(block);
    } else {
      release(block);
      --chain.sealed_count;
    }
    chain.blocks.pop_back();
    table.pop_back();
  }
}

int64_t PagedHolder::truncate(SequenceId sequence, KvBlockTable& table, int64_t positions) {
  Chain& c = chain(sequence);
  const int64_t whole_blocks = positions / kBlockSize;
  const int64_t rest = positions % kBlockSize;
  if (whole_blocks < c.sealed_count || rest == 0) {
    shrink(c, table, whole_blocks + (rest > 0 ? 1 : 0));
    c.open_count = 0;
    if (rest == 0 || reopen(c, table, rest)) return positions;
    shrink(c, table, whole_blocks);
    return whole_blocks * kBlockSize;
  }
  shrink(c, table, whole_blocks + 1);
  c.open_count = rest;
  return positions;
}

// The last block is sealed; its first rows go on as an open block: itself where nobody else knows it, else a
// copy.
bool PagedHolder::reopen(Chain& chain, KvBlockTable& table, int64_t row_count) {
  const BlockId block = chain.blocks.back();
  if (!shares() && pool_.pin_count(block) == 1) {
    pool_.reopen(block);
  } else {
    if (pool_.free_count() + pool_.idle_count() == 0) return false;
    const BlockId copy = take_or_evict();
    std::memcpy(pool_.data(copy), pool_.data(block), block_bytes_);
    if (shares()) chain.open_tokens = tree_.tokens(block);
    release(block);
    chain.blocks.back() = copy;
    table.back() = pool_.data(copy);
  }
  --chain.sealed_count;
  chain.open_count = row_count;
  return true;
}

Room PagedHolder::fork(SequenceId original, const KvBlockTable& table, int64_t length, SequenceId copy,
                       KvBlockTable& copy_table) {
  const Chain& from = chain(original);
  Chain& to = chain(copy);
  CHECK(to.blocks.empty());
  const bool has_open_rows = length % kBlockSize != 0;
  if (has_open_rows && pool_.free_count() + pool_.idle_count() == 0) return Room::kNoRoom;
  to.root = from.root;
  for (int64_t b = 0; b < from.sealed_count; ++b) {
    const BlockId block = from.blocks[static_cast<size_t>(b)];
    pool_.pin(block);
    append(to, copy_table, block);
  }
  to.sealed_count = from.sealed_count;
  to.open_tokens = from.open_tokens;
  to.open_count = from.open_count;
  if (has_open_rows) {
    append(to, copy_table, take_or_evict());
    std::memcpy(copy_table.back(), table[static_cast<size_t>(from.sealed_count)], block_bytes_);
  }
  return Room::kOk;
}

KvCounts PagedHolder::counts() const {
  return {.block_count = pool_.block_count(),
          .free_blocks = pool_.free_count(),
          .open_blocks = pool_.open_count(),
          .held_blocks = pool_.held_count(),
          .idle_blocks = pool_.idle_count(),
          .matched_positions = matched_positions_,
          .evicted_blocks = evicted_blocks_,
          .unified_blocks = unified_blocks_};
}

Status PagedHolder::check_chain(const Chain& chain, const KvBlockTable& table, std::vector<int>& pins) const {
  if (chain.blocks.size() != table.size() || chain.sealed_count > static_cast<int64_t>(table.size()) ||
      (chain.open_count > 0 && chain.sealed_count == static_cast<int64_t>(table.size()))) {
    return internal_error("a block table and its chain differ in length");
  }
  for (size_t b = 0; b < table.size(); ++b) {
    const BlockId block = chain.blocks[b];
    const bool is_sealed = static_cast<int64_t>(b) < chain.sealed_count;
    if (pool_.data(block) != table[b]) return internal_error("a block table holds another block's address");
    if (pool_.state(block) != (is_sealed ? BlockState::kHeld : BlockState::kOpen)) {
      return internal_error(fmt::format("block {} of a sequence is in the wrong state", block.value));
    }
    if (is_sealed && shares() && !tree_.has_name(block)) {
      return internal_error(fmt::format("sealed block {} has no name", block.value));
    }
    ++pins[static_cast<size_t>(block.value)];
  }
  return {};
}

Status PagedHolder::check(std::span<const KvBlockTable> tables) const {
  CAIRN_RETURN_IF_ERROR(pool_.check());
  CAIRN_RETURN_IF_ERROR(tree_.check());
  std::vector<int> pins(static_cast<size_t>(pool_.block_count()), 0);
  for (size_t s = 0; s < tables.size(); ++s) {
    CAIRN_RETURN_IF_ERROR(check_chain(chains_[s], tables[s], pins));
  }
  for (int32_t b = 0; b < pool_.block_count(); ++b) {
    const int count = pins[static_cast<size_t>(b)];
    const BlockState state = pool_.state({b});
    const int expected = state == BlockState::kOpen ? 1 : pool_.pin_count({b});
    if (count != expected) {
      return internal_error(
          fmt::format("block {} is in {} tables, but is pinned {} times", b, count, expected));
    }
    if (shares() && state != BlockState::kHeld && tree_.has_name({b}) != (state == BlockState::kIdle)) {
      return internal_error(fmt::format("block {} is named and not sealed, or idle without a name", b));
    }
  }
  return {};
}

Result<std::unique_ptr<KvHolder>> make_paged_holder(const KvHolderPlan& plan) {
  CAIRN_ASSIGN_OR_RETURN(auto pool, BlockPool::make(plan.geometry.block_bytes(), plan.pool_blocks));
  return std::unique_ptr<KvHolder>(
      std::make_unique<PagedHolder>(plan, std::move(pool), PagedHolder::Rows::kStay));
}

}  // namespace cairn
