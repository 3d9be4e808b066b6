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

  // Without its beginning a text is worth nothing, and beginnings are shared: so blocks that lie deep count as older, by far more
  // than computing them takes, and leave first.
  [[nodiscard]] static uint64_t age_of(int64_t index) { return static_cast<uint64_t>(index) * 60'000; }
  // How many of these blocks, from the first on, the store has. From memory.
  [[nodiscard]] int64_t leading_count(std::span<const BlockName> names) const;
  // Of the block at this place of a text: counts as a use; false: the store has it not.
  bool touch(const BlockName& name, int64_t index) {
    return store_->touch(record_name_of(name), age_of(index));
  }
  // Wait for the disk, all that follow. Those that read say how many blocks, from the first on, are in `to`: the one behind them is
  // missing, or no such block, or damaged (then it is gone), and what is in `to` of it and later ones is anything.
  int64_t read(std::span<const StoredBlock> blocks, std::span<const BlockBytes> to);
  // The same a few layers at a time, layers [first, end) of blocks that were looked at; that is no use of them yet.
  Result<RecordReader> look_at(const StoredBlock& block);
  int64_t read_layers(std::span<RecordReader> readers, std::span<const StoredBlock> blocks, int64_t first,
                      int64_t end, std::span<const BlockBytes> to);
  void copy_layers(int64_t first, int64_t end, BlockBytes from, BlockBytes to) const;
  // How many layers are read of a block at once, and how many blocks.
  [[nodiscard]] int64_t layers_of_a_read() const;
  static constexpr int64_t kBlocksOfARead = 4;  // so that the disk goes on while one is checked
  Status put(const StoredBlock& block, BlockBytes bytes, uint64_t now_ms);

  [[nodiscard]] DiskStore& store() { return *store_; }
  [[nodiscard]] const DiskStore& store() const { return *store_; }

 private:
  [[nodiscard]] bool has_shape(const StoredRecord& record) const;
  Status check(RecordReader& reader, const StoredBlock& block) const;

  const BlockRecordForm& form_;
  std::shared_ptr<DiskStore> store_;
  uint64_t read_bytes_;
};

}  // namespace cairn
