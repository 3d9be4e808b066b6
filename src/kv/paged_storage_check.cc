// Whether tables, pools and names of paged storage agree.
#include <fmt/format.h>

#include "kv/paged_storage.h"

namespace cairn {

Status PagedStorage::check() const {
  CAIRN_RETURN_IF_ERROR(index_.check());
  std::vector<KvOwnerCounts> charged(static_cast<size_t>(accounts_.count()));
  for (const Chain& c : chains_) {
    charged[static_cast<size_t>(c.account.value)].promised_bytes += c.promised_bytes;
  }
  for (int32_t group = 0; group < group_count(); ++group) CAIRN_RETURN_IF_ERROR(check_group(group, charged));
  return accounts_.check(charged);
}

Status PagedStorage::check_group(int32_t group, std::vector<KvOwnerCounts>& charged) const {
  const PagedGroup& of = groups_[static_cast<size_t>(group)];
  const auto block_count = static_cast<size_t>(of.pool().block_count());
  Pins pins{std::vector<int>(block_count, 0), std::vector<int>(block_count, 0)};
  for (int32_t s = 0; s < plan_.max_sequences; ++s) CAIRN_RETURN_IF_ERROR(check_table({s}, group, pins));
  return of.check(pins.all, pins.own, charged);
}

Status PagedStorage::check_table(SequenceId sequence, int32_t group, Pins& pins) const {
  const Chain& c = chain(sequence);
  const KvBlockTable& of = table(sequence, group);
  const BlockPool& pool = groups_[static_cast<size_t>(group)].pool();
  CAIRN_RETURN_IF_ERROR(check_extent(sequence, group));
  for (int64_t b = of.begin(); b < of.end_block(); b = of.next(b)) {
    const BlockId block = of.at(b);
    if (block.value < 0 || block.value >= pool.block_count()) {
      return internal_error(fmt::format("sequence {} has a block outside the pool", sequence.value));
    }
    const bool is_sealed = b < c.sealed_count;
    if (pool.state(block) != (is_sealed ? BlockState::kHeld : BlockState::kOpen)) {
      return internal_error(
          fmt::format("block {} of a sequence, group {}, is in the wrong state", block.value, group));
    }
    ++pins.all[static_cast<size_t>(block.value)];
    if (groups_[static_cast<size_t>(group)].owners().account(block) == c.account) {
      ++pins.own[static_cast<size_t>(block.value)];
    }
  }
  return shares() ? check_names(sequence, group) : Status();
}

// Whether the table has the blocks that the sequence needs, and no others.
Status PagedStorage::check_extent(SequenceId sequence, int32_t group) const {
  const Chain& c = chain(sequence);
  const KvBlockTable& of = table(sequence, group);
  const BlockWindow& kept = window(group);
  if (c.sealed_count > of.end_block() || (c.open_count > 0 && c.sealed_count == of.end_block())) {
    return internal_error(fmt::format("sequence {} has more rows than blocks", sequence.value));
  }
  if (kept.keeps_all() && of.end_block() != c.room_blocks) {
    return internal_error(fmt::format("sequence {} ends with block {} in group {}, but has room for {}",
                                      sequence.value, of.end_block(), group, c.room_blocks));
  }
  const int64_t length = c.sealed_count * kBlockSize + c.open_count;
  if (of.sink_blocks != kept.sink_blocks() || of.first_block > kept.first_needed(length) ||
      of.end_block() > c.room_blocks) {
    return internal_error(
        fmt::format("sequence {} of {} rows has blocks {} to {} of group {}, and {} sink blocks",
                    sequence.value, length, of.first_block, of.end_block(), group, of.sink_blocks));
  }
  return {};
}

// Each sealed block has the name that follows from its predecessor's name and its tokens.
Status PagedStorage::check_names(SequenceId sequence, int32_t group) const {
  const Chain& c = chain(sequence);
  const KvBlockTable& of = table(sequence, group);
  BlockNamer namer{std::string_view()};
  BlockName parent = c.root;
  int64_t next = 0;  // behind the block whose name `parent` is
  for (int64_t b = of.begin(); b < c.sealed_count; b = of.next(b)) {
    const GroupBlock block{group, of.at(b)};
    if (!index_.has_name(block)) {
      return internal_error(fmt::format("sealed block {} of group {} has no name", block.block.value, group));
    }
    if (b == next && index_.name(block) != namer.child(parent, index_.tokens(block))) {
      return internal_error(fmt::format("block {} of group {} does not belong behind the one before it",
                                        block.block.value, group));
    }
    parent = index_.name(block);
    next = b + 1;
  }
  return {};
}

}  // namespace cairn
