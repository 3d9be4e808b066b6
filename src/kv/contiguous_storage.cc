// Contiguous: memory for the whole context of every sequence, side by side, taken at the start. Simple, and
// never out of room; but a short sequence keeps as much address space as the longest.
#include "base/memory.h"
#include "kv/block_pool.h"
#include "kv/unshared_storage.h"

namespace cairn {
namespace {

class ContiguousStorage final : public UnsharedStorage {
 public:
  ContiguousStorage(const KvStoragePlan& plan, PageMemory memory)
      : UnsharedStorage(plan), memory_(std::move(memory)) {}

  Room grow(SequenceId sequence, int64_t end_block) override {
    grow_table(sequence, end_block, first_id(sequence));
    return Room::kOk;
  }
  [[nodiscard]] int64_t missing_blocks(SequenceId, int64_t) const override { return 0; }
  [[nodiscard]] int64_t sole_blocks(SequenceId) const override { return 0; }
  int64_t truncate(SequenceId sequence, int64_t positions) override {
    cut_table(sequence, positions);
    return positions;
  }
  [[nodiscard]] KvSequenceView view(SequenceId sequence) const override {
    return {.table = table(sequence).blocks.data(), .memory = memory_.data(), .block_bytes = block_bytes()};
  }
  [[nodiscard]] uint64_t pool_bytes() const override { return memory_.bytes(); }
  [[nodiscard]] int64_t max_blocks_alone() const override { return plan_.context_blocks; }

  [[nodiscard]] Status check() const override {
    for (int32_t s = 0; s < std::ssize(tables_); ++s) {
      CAIRN_RETURN_IF_ERROR(check_table({s}, first_id({s})));
    }
    return {};
  }

 private:
  [[nodiscard]] int32_t first_id(SequenceId sequence) const {
    return static_cast<int32_t>(sequence.value * plan_.context_blocks);
  }

  PageMemory memory_;
};

}  // namespace

Result<std::unique_ptr<KvStorage>> make_contiguous_storage(const KvStoragePlan& plan) {
  const int64_t block_count = plan.context_blocks * plan.max_sequences;
  CAIRN_RETURN_IF_ERROR(check_block_count(block_count));
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, plan.geometry.bytes_of_blocks(block_count));
  CAIRN_ASSIGN_OR_RETURN(auto memory, PageMemory::allocate(bytes));
  return std::unique_ptr<KvStorage>(std::make_unique<ContiguousStorage>(plan, std::move(memory)));
}

}  // namespace cairn
