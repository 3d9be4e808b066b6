// Growing: each sequence is one tensor, as in torch.cat: to grow is to take a new one of exactly the size
// that is needed and to copy the old one into it. What textbooks show; it copies O(n^2) bytes, and during a
// copy both tensors exist.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/memory.h"
#include "kv/unshared_storage.h"

namespace cairn {
namespace {

class GrowingStorage final : public UnsharedStorage {
 public:
  explicit GrowingStorage(const KvStoragePlan& plan)
      : UnsharedStorage(plan), tensors_(static_cast<size_t>(plan.max_sequences)) {}

  Room grow(SequenceId sequence, int64_t end_block) override {
    PageMemory& old_tensor = tensors_[static_cast<size_t>(sequence.value)];
    const auto bytes = static_cast<uint64_t>(end_block * block_bytes());
    const auto limit = static_cast<uint64_t>(plan_.pool_blocks * block_bytes());
    if (pool_bytes_ - old_tensor.bytes() + bytes > limit) return Room::kNoRoom;
    auto tensor = PageMemory::allocate(bytes);
    if (!tensor.ok()) return Room::kNoRoom;

    const auto old_bytes = static_cast<uint64_t>(std::ssize(table(sequence).blocks) * block_bytes());
    if (old_bytes > 0) std::memcpy(tensor->data(), old_tensor.data(), old_bytes);
    grow_table(sequence, end_block, 0);
    pool_bytes_ = pool_bytes_ - old_tensor.bytes() + bytes;
    old_tensor = std::move(*tensor);
    return Room::kOk;
  }

  [[nodiscard]] int64_t missing_blocks(SequenceId sequence, int64_t end_block) const override {
    const int64_t others = static_cast<int64_t>(pool_bytes_) / block_bytes() - sole_blocks(sequence);
    return std::max<int64_t>(0, others + end_block - plan_.pool_blocks);
  }
  [[nodiscard]] int64_t sole_blocks(SequenceId sequence) const override {
    return static_cast<int64_t>(tensors_[static_cast<size_t>(sequence.value)].bytes()) / block_bytes();
  }

  // A cut leaves the tensor as large as it was: a smaller one could only be had by another copy.
  int64_t truncate(SequenceId sequence, int64_t positions) override {
    cut_table(sequence, positions);
    if (positions > 0) return positions;
    PageMemory& tensor = tensors_[static_cast<size_t>(sequence.value)];
    pool_bytes_ -= tensor.bytes();
    tensor = PageMemory();
    return 0;
  }

  [[nodiscard]] KvSequenceView view(SequenceId sequence) const override {
    return {.table = table(sequence).blocks.data(),
            .memory = tensors_[static_cast<size_t>(sequence.value)].data(),
            .block_bytes = block_bytes()};
  }
  [[nodiscard]] uint64_t pool_bytes() const override { return pool_bytes_; }
  [[nodiscard]] int64_t max_blocks_alone() const override { return plan_.pool_blocks; }

  [[nodiscard]] Status check() const override {
    uint64_t bytes = 0;
    for (size_t s = 0; s < tables_.size(); ++s) {
      bytes += tensors_[s].bytes();
      if (tables_[s].blocks.size() * static_cast<size_t>(block_bytes()) > tensors_[s].bytes()) {
        return internal_error(fmt::format("sequence {} has more blocks than its tensor", s));
      }
      CAIRN_RETURN_IF_ERROR(check_table({static_cast<int32_t>(s)}, 0));
    }
    if (bytes != pool_bytes_) {
      return internal_error(fmt::format("tensors have {} bytes, but {} are counted", bytes, pool_bytes_));
    }
    return {};
  }

 private:
  std::vector<PageMemory> tensors_;  // by sequence
  uint64_t pool_bytes_ = 0;          // of all tensors
};

}  // namespace

Result<std::unique_ptr<KvStorage>> make_growing_storage(const KvStoragePlan& plan) {
  return std::unique_ptr<KvStorage>(std::make_unique<GrowingStorage>(plan));
}

}  // namespace cairn
