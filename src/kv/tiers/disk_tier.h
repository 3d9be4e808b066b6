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
  DiskTier(const BlockRecordForm& form, std::shared_ptr<DiskStore> store)
      : form_(form), store_(std::move(store)) {}

  // How many of these blocks, from the first on, the store has. From memory.
  [[nodiscard]] int64_t leading_count(std::span<const BlockName> names) const;
  // Counts as a use; false: the store has it not.
  bool touch(const BlockName& name) { return store_->touch(record_name_of(name)); }
  // Waits for the disk, both. Errors of `read`: kNotFound; kInvalidData: it is no such block, or was damaged (then
  // it is gone). What is in `to` then is anything.
  Status read(const StoredBlock& block, BlockBytes to);
  Status put(const StoredBlock& block, BlockBytes bytes, uint64_t now_ms);

  [[nodiscard]] DiskStore& store() { return *store_; }
  [[nodiscard]] const DiskStore& store() const { return *store_; }

 private:
  [[nodiscard]] bool has_shape(const StoredRecord& record) const;

  const BlockRecordForm& form_;
  std::shared_ptr<DiskStore> store_;
};

}  // namespace cairn
