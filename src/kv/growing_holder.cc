// Growing: each sequence is one tensor, as in torch.cat: to grow is to take a new one of exactly the size
// that is needed and to copy the old one into it. What textbooks show; it copies O(n^2) bytes, and during a
// copy both tensors exist.
#include <fmt/format.h>

#include <cstring>

#include "base/memory.h"
#include "kv/unshared_holder.h"

namespace cairn {
namespace {

class GrowingHolder final : public UnsharedHolder {
 public:
  explicit GrowingHolder(const KvHolderPlan& plan)
      : UnsharedHolder(plan), tensors_(static_cast<size_t>(plan.max_sequences)) {}

  Room grow(SequenceId sequence, KvBlockTable& table, int64_t block_count) override {
    PageMemory& old_tensor = tensors_[static_cast<size_t>(sequence.value)];
    const uint64_t block_bytes = plan_.geometry.block_bytes();
    const uint64_t bytes = static_cast<uint64_t>(block_count) * block_bytes;
    const uint64_t limit = static_cast<uint64_t>(plan_.pool_blocks) * block_bytes;
    if (pool_bytes_ - old_tensor.bytes() + bytes > limit) return Room::kNoRoom;
    auto tensor = PageMemory::allocate(bytes);
    if (!tensor.ok()) return Room::kNoRoom;

    if (!table.empty()) std::memcpy(tensor->data(), old_tensor.data(), table.size() * block_bytes);
    const auto old_count = static_cast<int64_t>(table.size());
    table.clear();
    for (int64_t b = 0; b < block_count; ++b) {
      table.push_back(tensor->data() + static_cast<uint64_t>(b) * block_bytes);
    }
    used_blocks_ += block_count - old_count;
    pool_bytes_ = pool_bytes_ - old_tensor.bytes() + bytes;
    old_tensor = std::move(*tensor);
    return Room::kOk;
  }

  // A cut leaves the tensor as large as it was: a smaller one could only be had by another copy.
  int64_t truncate(SequenceId sequence, KvBlockTable& table, int64_t positions) override {
    cut_table(table, positions);
    if (positions > 0) return positions;
    PageMemory& tensor = tensors_[static_cast<size_t>(sequence.value)];
    pool_bytes_ -= tensor.bytes();
    tensor = PageMemory();
    return 0;
  }

  [[nodiscard]] uint64_t pool_bytes() const override { return pool_bytes_; }
  [[nodiscard]] int64_t max_blocks_alone() const override { return plan_.pool_blocks; }

  [[nodiscard]] Status check(std::span<const KvBlockTable> tables) const override {
    uint64_t bytes = 0;
    for (size_t s = 0; s < tables.size(); ++s) {
      bytes += tensors_[s].bytes();
      if (tables[s].size() * plan_.geometry.block_bytes() > tensors_[s].bytes()) {
        return internal_error(fmt::format("sequence {} has more blocks than its tensor", s));
      }
      for (size_t b = 0; b < tables[s].size(); ++b) {
        if (tables[s][b] != tensors_[s].data() + b * plan_.geometry.block_bytes()) {
          return internal_error(fmt::format("block {} of sequence {} is not in its tensor", b, s));
        }
      }
    }
    if (bytes != pool_bytes_) {
      return internal_error(fmt::format("tensors hold {} bytes, but {} are counted", bytes, pool_bytes_));
    }
    return {};
  }

 private:
  std::vector<PageMemory> tensors_;  // by sequence
  uint64_t pool_bytes_ = 0;          // of all tensors
};

}  // namespace

Result<std::unique_ptr<KvHolder>> make_growing_holder(const KvHolderPlan& plan) {
  return std::unique_ptr<KvHolder>(std::make_unique<GrowingHolder>(plan));
}

}  // namespace cairn
