// Contiguous: memory for the whole context of every sequence, side by side, taken at the start. Simple, and
// never out of room; but a short sequence keeps as much address space as the longest.
#include "base/memory.h"
#include "kv/block_pool.h"
#include "kv/unshared_storage.h"

namespace cairn {
namespace {

class ContiguousStorage final : public UnsharedStorage {
 public:
  ContiguousStorage(const KvStoragePlan& plan, std::vector<PageMemory> memory)
      : UnsharedStorage(plan), memory_(std::move(memory)) {}

  Room grow(SequenceId sequence, int64_t end_block) override {
    for (int32_t group = 0; group < group_count(); ++group) {
      grow_table(sequence, group, end_block, first_id(sequence));
    }
    return Room::kOk;
  }
  [[nodiscard]] int64_t missing_blocks(SequenceId, int64_t, int32_t) const override { return 0; }
  [[nodiscard]] int64_t sole_blocks(SequenceId, int32_t) const override { return 0; }
  int64_t truncate(SequenceId sequence, int64_t positions, const NamedText*) override {
    cut_tables(sequence, positions);
    return positions;
  }
  [[nodiscard]] KvSequenceView view(SequenceId sequence, int32_t group) const override {
    return {.table = table(sequence, group).blocks.data(),
            .memory = memory_[static_cast<size_t>(group)].data(),
            .block_bytes = block_bytes(group)};
  }
  [[nodiscard]] uint64_t pool_bytes() const override {
    uint64_t bytes = 0;
    for (const PageMemory& memory : memory_) bytes += memory.bytes();
    return bytes;
  }
  [[nodiscard]] int64_t max_blocks_alone() const override { return plan_.context_blocks; }

  [[nodiscard]] Status check() const override {
    CAIRN_RETURN_IF_ERROR(check_ends());
    for (int32_t s = 0; s < plan_.max_sequences; ++s) {
      for (int32_t group = 0; group < group_count(); ++group) {
        CAIRN_RETURN_IF_ERROR(check_table({s}, group, first_id({s})));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] int32_t first_id(SequenceId sequence) const {
    return static_cast<int32_t>(sequence.value * plan_.context_blocks);
  }

  std::vector<PageMemory> memory_;  // by group
};

}  // namespace

Result<std::unique_ptr<KvStorage>> make_contiguous_storage(const KvStoragePlan& plan) {
  const int64_t block_count = plan.context_blocks * plan.max_sequences;
  CAIRN_RETURN_IF_ERROR(check_block_count(block_count));
  CAIRN_RETURN_IF_ERROR(plan.geometry.bytes_of_blocks(block_count).status());
  std::vector<PageMemory> memory;
  for (int32_t group = 0; group < plan.geometry.group_count(); ++group) {
    const uint64_t bytes = static_cast<uint64_t>(block_count) * plan.geometry.block_bytes(group);
    CAIRN_ASSIGN_OR_RETURN(memory.emplace_back(), PageMemory::allocate(bytes));
  }
  return std::unique_ptr<KvStorage>(std::make_unique<ContiguousStorage>(plan, std::move(memory)));
}

}  // namespace cairn
