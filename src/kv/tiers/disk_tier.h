// DiskTier: blocks as records of a DiskStore. Law 5 is kept here: what `read` gives has the head that the wanted block would
// have, byte for byte (identity, root, parent, place, token ids), and each slice has its checksum.
// Of any thread, like its store.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kv/tiers/stored_block.h"
#include "store/disk_store.h"

namespace cairn {

class DiskTier {
 public:
  // `form` must outlive it.
  // Layers are read in pieces of about `read_bytes`.
  DiskTier(const BlockRecordForm& form, std::shared_ptr<DiskStore> store, uint64_t read_bytes)
      : form_(form), store_(std::move(store)), read_bytes_(read_bytes) {}

  // How many of these blocks, from the first on, the store has. From memory.
  [[nodiscard]] int64_t leading_count(std::span<const BlockName> names) const;
  // Of the block at this place of a text: counts as a use; false: the store has it not.
  bool touch(const BlockName& name, int64_t index) {
    return store_->touch(record_name_of(name), age_of(index));
  }
  // Waits for the disk, all that follow. Errors of reading: kNotFound; kInvalidData: it is no such block, or was damaged, and is
  // gone. What is in `to` then is anything.
  Status read(const StoredBlock& block, BlockBytes to);
  // The same a few layers at a time, layers [first, end); that is no use of the block yet.
  Result<RecordReader> look_at(const StoredBlock& block);
  Status read_layers(RecordReader& reader, const StoredBlock& block, int64_t first, int64_t end,
                     BlockBytes to);
  void copy_layers(int64_t first, int64_t end, BlockBytes from, BlockBytes to) const;
  // How many layers are worth a read of their own.
  [[nodiscard]] int64_t layers_of_a_read() const;
  Status put(const StoredBlock& block, BlockBytes bytes, uint64_t now_ms);

  [[nodiscard]] DiskStore& store() { return *store_; }
  [[nodiscard]] const DiskStore& store() const { return *store_; }

 private:
  [[nodiscard]] bool has_shape(const StoredRecord& record) const;
  Status check(RecordReader& reader, const StoredBlock& block) const;
  // Without its beginning a text is worth nothing, and beginnings are shared: so blocks that lie deep count as older, by far more
  // than computing them takes, and leave first.
  [[nodiscard]] static uint64_t age_of(int64_t index) { return static_cast<uint64_t>(index) * 60'000; }

  const BlockRecordForm& form_;
  std::shared_ptr<DiskStore> store_;
  uint64_t read_bytes_;
};

}  // namespace cairn
