// StoredBlock: a block on its way to a store or back: which one, whose, and its bytes. Plain data; whoever made it owns
// what it points to.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kv/tiers/block_record.h"

namespace cairn {

[[nodiscard]] inline RecordName record_name_of(const BlockName& name) {
  return std::bit_cast<RecordName>(name);
}

struct StoredBlock {
  BlockName name{};
  BlockPlace place;
  OwnerTag owner{};
};

// Of each layer group, as long as KvGeometry::block_bytes(group) says.
using BlockBytes = std::span<const std::span<std::byte>>;

[[nodiscard]] inline std::span<std::byte> slice_of(BlockBytes groups, const BlockRecordForm::Slice& slice) {
  return groups[static_cast<size_t>(slice.group)].subspan(slice.offset, slice.bytes);
}

// The record that a store keeps of a block. The view points into this and into the bytes.
class BlockRecord {
 public:
  BlockRecord(const BlockRecordForm& form, const StoredBlock& block, BlockBytes bytes, uint64_t now_ms);
  BlockRecord(const BlockRecord&) = delete;
  BlockRecord& operator=(const BlockRecord&) = delete;
  [[nodiscard]] const RecordView& view() const { return view_; }

 private:
  std::vector<std::byte> head_;
  std::vector<std::span<const std::byte>> slices_;
  RecordView view_;
};

}  // namespace cairn
