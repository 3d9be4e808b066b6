#include "kv/storage.h"

namespace cairn {

KvStorage::KvStorage(const KvStoragePlan& plan)
    : plan_(plan), tables_(static_cast<size_t>(plan.max_sequences)) {
  for (KvBlockTable& table : tables_) table.blocks.reserve(static_cast<size_t>(plan.context_blocks));
}

uint64_t KvStorage::table_bytes_for(const KvStoragePlan& plan) {
  // Of a block: its state, its place in lists, and where prefixes are shared its node. A round figure above them all.
  constexpr uint64_t kBlockStateBytes = 64;
  constexpr uint64_t kNodeBytes = 512;
  const auto blocks = static_cast<uint64_t>(plan.pool_blocks + plan.context_blocks);
  const auto tables = static_cast<uint64_t>(plan.max_sequences * plan.context_blocks) * sizeof(BlockId);
  return tables + blocks * (kBlockStateBytes + (plan.sharing == PrefixSharing::kOn ? kNodeBytes : 0));
}

KvMatchReport KvStorage::match(SequenceId, std::span<const TokenId> tokens, const PrefixNames&) {
  return {.text_positions = std::ssize(tokens)};
}

}  // namespace cairn
