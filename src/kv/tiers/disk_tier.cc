#include "kv/tiers/disk_tier.h"

#include <algorithm>
#include <utility>

namespace cairn {

int64_t DiskTier::leading_count(std::span<const BlockName> names) const {
  const auto is_absent = [&](const BlockName& name) {
    const auto record = store_->find(record_name_of(name));
    return !record.has_value() || !has_shape(*record);
  };
  return std::ranges::find_if(names, is_absent) - names.begin();
}

bool DiskTier::has_shape(const StoredRecord& record) const {
  return record.head_bytes == form_.head_bytes() &&
         std::ranges::equal(*record.slice_bytes, form_.slice_bytes());
}

Status DiskTier::read(const StoredBlock& block, BlockBytes to) {
  CAIRN_ASSIGN_OR_RETURN(RecordReader reader, store_->open_record(record_name_of(block.name)));
  if (!has_shape(reader.record())) return invalid_data("a record of this name has another shape");
  std::vector<std::byte> wanted(form_.head_bytes());
  std::vector<std::byte> found(form_.head_bytes());
  form_.write_head(block.place, wanted);
  CAIRN_RETURN_IF_ERROR(reader.read_head(found));
  if (found != wanted) return invalid_data("a record of this name is another block");
  std::vector<SliceRead> reads;
  const auto slices = form_.slices();
  reads.reserve(slices.size());
  for (size_t i = 0; i < slices.size(); ++i) reads.push_back({.slice = i, .to = slice_of(to, slices[i])});
  return reader.read_slices(reads);
}

Status DiskTier::put(const StoredBlock& block, BlockBytes bytes, uint64_t now_ms) {
  const BlockRecord record(form_, block, bytes, now_ms);
  return store_->put(record.view());
}

}  // namespace cairn
