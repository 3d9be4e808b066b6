#include "kv/storage.h"

#include <fmt/format.h>

#include <numeric>

namespace cairn {

KvStorage::KvStorage(const KvStoragePlan& plan)
    : plan_(plan), tables_(static_cast<size_t>(plan.max_sequences * plan.geometry.group_count())) {
  for (KvBlockTable& table : tables_) table.blocks.reserve(static_cast<size_t>(plan.context_blocks));
}

uint64_t KvStorage::table_bytes_for(const KvStoragePlan& plan) {
  // Of a block: its state, its place in lists, and where prefixes are shared its node. A round figure above them all.
  constexpr uint64_t kBlockStateBytes = 64;
  constexpr uint64_t kNodeBytes = 512;
  const int64_t groups = plan.geometry.group_count();
  const int64_t pool_blocks = std::accumulate(plan.pool_blocks.begin(), plan.pool_blocks.end(), int64_t{0});
  const auto blocks = static_cast<uint64_t>(pool_blocks + groups * plan.context_blocks);
  const auto tables =
      static_cast<uint64_t>(groups * plan.max_sequences * plan.context_blocks) * sizeof(BlockId);
  return tables + blocks * (kBlockStateBytes + (plan.sharing == PrefixSharing::kOn ? kNodeBytes : 0));
}

Status KvStorage::check_ends() const {
  for (int32_t s = 0; s < plan_.max_sequences; ++s) {
    for (int32_t group = 1; group < group_count(); ++group) {
      if (table({s}, group).end_block() == end_block({s})) continue;
      return internal_error(fmt::format("sequence {} ends with block {} in group {} and with {} in group 0",
                                        s, table({s}, group).end_block(), group, end_block({s})));
    }
  }
  return {};
}

KvMatchReport KvStorage::match(SequenceId, std::span<const TokenId> tokens, const PrefixNames&) {
  return {.text_positions = std::ssize(tokens)};
}

}  // namespace cairn
