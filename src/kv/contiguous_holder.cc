// Contiguous: memory for the whole context of every sequence, side by side, taken at the start. Simple, and
// never out of room; but a short sequence holds on to as much address space as the longest.
#include <fmt/format.h>

#include "base/memory.h"
#include "kv/unshared_holder.h"

namespace cairn {
namespace {

class ContiguousHolder final : public UnsharedHolder {
 public:
  ContiguousHolder(const KvHolderPlan& plan, PageMemory memory)
      : UnsharedHolder(plan), memory_(std::move(memory)) {}

  Room grow(SequenceId sequence, KvBlockTable& table, int64_t block_count) override {
    used_blocks_ += block_count - static_cast<int64_t>(table.size());
    for (auto block = static_cast<int64_t>(table.size()); block < block_count; ++block) {
      table.push_back(address(sequence, block));
    }
    return Room::kOk;
  }
  int64_t truncate(SequenceId, KvBlockTable& table, int64_t positions) override {
    cut_table(table, positions);
    return positions;
  }
  [[nodiscard]] uint64_t pool_bytes() const override { return memory_.bytes(); }
  [[nodiscard]] int64_t max_blocks_alone() const override { return plan_.context_blocks; }

  [[nodiscard]] Status check(std::span<const KvBlockTable> tables) const override {
    for (size_t s = 0; s < tables.size(); ++s) {
      const SequenceId sequence{static_cast<int32_t>(s)};
      for (size_t b = 0; b < tables[s].size(); ++b) {
        if (tables[s][b] != address(sequence, static_cast<int64_t>(b))) {
          return internal_error(fmt::format("block {} of sequence {} is not at its place", b, s));
        }
      }
    }
    return {};
  }

 private:
  [[nodiscard]] std::byte* address(SequenceId sequence, int64_t block) const {
    const auto index = static_cast<uint64_t>(sequence.value * plan_.context_blocks + block);
    return memory_.data() + index * plan_.geometry.block_bytes();
  }

  PageMemory memory_;
};

}  // namespace

Result<std::unique_ptr<KvHolder>> make_contiguous_holder(const KvHolderPlan& plan) {
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes,
                         plan.geometry.bytes_of_blocks(plan.context_blocks * plan.max_sequences));
  CAIRN_ASSIGN_OR_RETURN(auto memory, PageMemory::allocate(bytes));
  return std::unique_ptr<KvHolder>(std::make_unique<ContiguousHolder>(plan, std::move(memory)));
}

}  // namespace cairn
