// UnsharedStorage: what the storages have in common in which every sequence has its rows for itself: blocks of
// a sequence and group lie side by side, a fork copies them, and used blocks are counted. Inside the kv room only.
#pragma once

#include <cstring>

#include "kv/storage.h"

namespace cairn {

class UnsharedStorage : public KvStorage {
 public:
  explicit UnsharedStorage(const KvStoragePlan& plan);

  Room fork(SequenceId original, int64_t length, SequenceId copy) override;
  [[nodiscard]] uint64_t used_bytes() const override;

 protected:
  // Cuts all tables of a sequence to what `positions` need.
  void cut_tables(SequenceId sequence, int64_t positions);
  void grow_table(SequenceId sequence, int32_t group, int64_t end_block, int32_t first_id);
  // Whether the blocks of a table are first_id, first_id + 1, ...
  [[nodiscard]] Status check_table(SequenceId sequence, int32_t group, int32_t first_id) const;

 private:
  std::vector<int64_t> used_blocks_;  // by group, of all tables
};

}  // namespace cairn
