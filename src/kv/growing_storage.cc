// Growing: each sequence is one tensor for each layer group, as in torch.cat: to grow is to take a new one of exactly
// the size that is needed and to copy the old one into it. What textbooks show; it copies O(n^2) bytes, and during a
// copy both tensors exist.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/memory.h"
#include "kv/unshared_storage.h"

namespace cairn {
namespace {

class GrowingStorage final : public UnsharedStorage {
 public:
  explicit GrowingStorage(const KvStoragePlan& plan)
      : UnsharedStorage(plan),
        tensors_(tables_.size()),
        taken_(static_cast<size_t>(group_count())),
        grown_(taken_.size()) {}

  Room grow(SequenceId sequence, int64_t end_block) override {
    for (int32_t group = 0; group < group_count(); ++group) {
      if (missing_blocks(sequence, end_block, group) > 0) return Room::kNoRoom;
    }
    if (!take_tensors(end_block)) return Room::kNoRoom;
    for (int32_t group = 0; group < group_count(); ++group) {
      PageMemory& tensor = tensors_[table_index(sequence, group)];
      PageMemory& grown = grown_[static_cast<size_t>(group)];
      const auto old_bytes =
          static_cast<uint64_t>(std::ssize(table(sequence, group).blocks) * block_bytes(group));
      if (old_bytes > 0) std::memcpy(grown.data(), tensor.data(), old_bytes);
      grow_table(sequence, group, end_block, 0);
      taken_[static_cast<size_t>(group)] += grown.bytes() - tensor.bytes();
      tensor = std::exchange(grown, PageMemory());
    }
    return Room::kOk;
  }

  [[nodiscard]] int64_t missing_blocks(SequenceId sequence, int64_t end_block, int32_t group) const override {
    const auto g = static_cast<size_t>(group);
    const int64_t others =
        static_cast<int64_t>(taken_[g]) / block_bytes(group) - sole_blocks(sequence, group);
    return std::max<int64_t>(0, others + end_block - plan_.pool_blocks[g]);
  }
  [[nodiscard]] int64_t sole_blocks(SequenceId sequence, int32_t group) const override {
    return static_cast<int64_t>(tensors_[table_index(sequence, group)].bytes()) / block_bytes(group);
  }

  // A cut leaves the tensors as large as they were: smaller ones could only be had by another copy.
  int64_t truncate(SequenceId sequence, int64_t positions, const NamedText*) override {
    cut_tables(sequence, positions);
    if (positions > 0) return positions;
    for (int32_t group = 0; group < group_count(); ++group) {
      PageMemory& tensor = tensors_[table_index(sequence, group)];
      taken_[static_cast<size_t>(group)] -= tensor.bytes();
      tensor = PageMemory();
    }
    return 0;
  }

  [[nodiscard]] KvSequenceView view(SequenceId sequence, int32_t group) const override {
    return {.table = table(sequence, group).blocks.data(),
            .memory = tensors_[table_index(sequence, group)].data(),
            .block_bytes = block_bytes(group)};
  }
  [[nodiscard]] uint64_t pool_bytes() const override {
    return std::accumulate(taken_.begin(), taken_.end(), uint64_t{0});
  }
  [[nodiscard]] int64_t max_blocks_alone() const override { return std::ranges::min(plan_.pool_blocks); }

  [[nodiscard]] Status check() const override {
    CAIRN_RETURN_IF_ERROR(check_ends());
    for (int32_t group = 0; group < group_count(); ++group) CAIRN_RETURN_IF_ERROR(check_group(group));
    return {};
  }

 private:
  // Fills grown_; all or none.
  bool take_tensors(int64_t block_count) {
    for (int32_t group = 0; group < group_count(); ++group) {
      auto tensor = PageMemory::allocate(static_cast<uint64_t>(block_count * block_bytes(group)));
      if (!tensor.ok()) {
        for (PageMemory& grown : grown_) grown = PageMemory();
        return false;
      }
      grown_[static_cast<size_t>(group)] = std::move(*tensor);
    }
    return true;
  }

  [[nodiscard]] Status check_group(int32_t group) const {
    uint64_t bytes = 0;
    for (int32_t s = 0; s < plan_.max_sequences; ++s) {
      const uint64_t tensor_bytes = tensors_[table_index({s}, group)].bytes();
      bytes += tensor_bytes;
      if (table({s}, group).blocks.size() * static_cast<size_t>(block_bytes(group)) > tensor_bytes) {
        return internal_error(
            fmt::format("sequence {} has more blocks of group {} than its tensor", s, group));
      }
      CAIRN_RETURN_IF_ERROR(check_table({s}, group, 0));
    }
    const uint64_t counted = taken_[static_cast<size_t>(group)];
    if (bytes == counted) return {};
    return internal_error(
        fmt::format("tensors of group {} have {} bytes, but {} are counted", group, bytes, counted));
  }

  std::vector<PageMemory> tensors_;  // [sequence][group]
  std::vector<uint64_t> taken_;      // by group: bytes of all tensors
  std::vector<PageMemory> grown_;    // by group: while a sequence grows
};

}  // namespace

Result<std::unique_ptr<KvStorage>> make_growing_storage(const KvStoragePlan& plan) {
  return std::unique_ptr<KvStorage>(std::make_unique<GrowingStorage>(plan));
}

}  // namespace cairn
