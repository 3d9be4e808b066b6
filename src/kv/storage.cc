#include "kv/storage.h"

#include <fmt/format.h>

namespace cairn {

KvStorage::KvStorage(const KvStoragePlan& plan)
    : plan_(plan), tables_(static_cast<size_t>(plan.max_sequences * plan.geometry.group_count())) {
  for (size_t i = 0; i < tables_.size(); ++i) {
    const size_t group = i % static_cast<size_t>(group_count());
    tables_[i].blocks.reserve(static_cast<size_t>(plan.table_blocks[group]));
  }
}

Status KvStorage::set_quota(KvOwner /*owner*/, std::optional<uint64_t> /*quota_bytes*/) {
  return unsupported("only a paged cache can give owners a quota: choose that, or leave the quotas out");
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
