#include "kv/unshared_storage.h"

#include <fmt/format.h>

namespace cairn {

UnsharedStorage::UnsharedStorage(const KvStoragePlan& plan)
    : KvStorage(plan), used_blocks_(static_cast<size_t>(group_count())) {}

Room UnsharedStorage::fork(SequenceId original, int64_t length, SequenceId copy) {
  const int64_t block_count = KvGeometry::blocks_for(length);
  if (block_count == 0) return Room::kOk;
  if (grow(copy, block_count) == Room::kNoRoom) return Room::kNoRoom;
  for (int32_t group = 0; group < group_count(); ++group) {
    std::memcpy(view(copy, group).block(0), view(original, group).block(0),
                static_cast<uint64_t>(block_count * block_bytes(group)));
  }
  return Room::kOk;
}

uint64_t UnsharedStorage::used_bytes() const {
  int64_t bytes = 0;
  for (int32_t group = 0; group < group_count(); ++group) {
    bytes += used_blocks_[static_cast<size_t>(group)] * block_bytes(group);
  }
  return static_cast<uint64_t>(bytes);
}

void UnsharedStorage::cut_tables(SequenceId sequence, int64_t positions) {
  const auto block_count = static_cast<size_t>(KvGeometry::blocks_for(positions));
  for (int32_t group = 0; group < group_count(); ++group) {
    std::vector<BlockId>& blocks = own_table(sequence, group).blocks;
    used_blocks_[static_cast<size_t>(group)] += static_cast<int64_t>(block_count) - std::ssize(blocks);
    blocks.resize(block_count);
  }
}

void UnsharedStorage::grow_table(SequenceId sequence, int32_t group, int64_t end_block, int32_t first_id) {
  std::vector<BlockId>& blocks = own_table(sequence, group).blocks;
  used_blocks_[static_cast<size_t>(group)] += end_block - std::ssize(blocks);
  for (auto b = static_cast<int32_t>(blocks.size()); b < end_block; ++b) blocks.push_back({first_id + b});
}

Status UnsharedStorage::check_table(SequenceId sequence, int32_t group, int32_t first_id) const {
  const KvBlockTable& of = table(sequence, group);
  for (int32_t b = 0; b < std::ssize(of.blocks); ++b) {
    if (of.first_block != 0 || of.blocks[static_cast<size_t>(b)].value != first_id + b) {
      return internal_error(
          fmt::format("block {} of sequence {}, group {}, is not at its place", b, sequence.value, group));
    }
  }
  return {};
}

}  // namespace cairn
