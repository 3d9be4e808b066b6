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

Status DiskTier::check(RecordReader& reader, const StoredBlock& block) const {
  if (!has_shape(reader.record())) return reader.reject("a record of this name has another shape");
  if (reader.record().owner != block.owner) return reader.reject("a record of this name is another tenant's");
  return {};
}

Result<RecordReader> DiskTier::look_at(const StoredBlock& block) {
  CAIRN_ASSIGN_OR_RETURN(RecordReader reader, store_->look_at(record_name_of(block.name)));
  CAIRN_RETURN_IF_ERROR(check(reader, block));
  return reader;
}

// The head comes with the first layers that are read: one wait for the disk, not two.
int64_t DiskTier::read_layers(std::span<RecordReader> readers, std::span<const StoredBlock> blocks,
                              int64_t first, int64_t end, std::span<const BlockBytes> to) {
  std::vector<std::vector<SliceRead>> slices(readers.size());
  std::vector<RecordRead> reads;
  for (size_t i = 0; i < readers.size(); ++i) {
    for (auto layer = static_cast<size_t>(first); std::cmp_less(layer, end); ++layer) {
      slices[i].push_back({.slice = layer, .to = slice_of(to[i], form_.slices()[layer])});
    }
    reads.push_back({.reader = &readers[i], .slices = slices[i], .status = {}});
  }
  RecordReader::read_together(reads);
  std::vector<std::byte> wanted(form_.head_bytes());
  std::vector<std::byte> found(form_.head_bytes());
  for (size_t i = 0; i < readers.size(); ++i) {
    form_.write_head(blocks[i].place, wanted);
    if (!reads[i].status.ok() || !readers[i].read_head(found).ok()) return static_cast<int64_t>(i);
    if (found == wanted) continue;
    (void)readers[i].reject("a record of this name is another block");
    return static_cast<int64_t>(i);
  }
  return std::ssize(readers);
}

int64_t DiskTier::read(std::span<const StoredBlock> blocks, std::span<const BlockBytes> to) {
  std::vector<RecordReader> readers;
  for (const StoredBlock& block : blocks) {
    auto reader = store_->open_record(record_name_of(block.name), age_of(block.place.index));
    if (!reader.ok() || !check(*reader, block).ok()) break;
    readers.push_back(std::move(*reader));
  }
  return read_layers(readers, blocks.first(readers.size()), 0, std::ssize(form_.slices()), to);
}

void DiskTier::copy_layers(int64_t first, int64_t end, BlockBytes from, BlockBytes to) const {
  for (auto i = static_cast<size_t>(first); std::cmp_less(i, end); ++i) {
    std::ranges::copy(slice_of(from, form_.slices()[i]), slice_of(to, form_.slices()[i]).begin());
  }
}

int64_t DiskTier::layers_of_a_read() const {
  return std::max<int64_t>(1, static_cast<int64_t>(read_bytes_ / std::ranges::max(form_.slice_bytes())));
}

Status DiskTier::put(const StoredBlock& block, BlockBytes bytes, uint64_t now_ms) {
  const BlockRecord record(form_, block, bytes, now_ms);
  return store_->put(record.view(), age_of(block.place.index));
}

}  // namespace cairn
