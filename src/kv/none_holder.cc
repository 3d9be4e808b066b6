// None: no row outlives its step. Attention still needs keys and values of all positions of the step, so
// there is scratch for as many rows as a step may have: `context` of all sequences together. The scratch is
// kept, so that recomputing everything pays for arithmetic, not for the system's zeroing of fresh pages.
#include "kv/block_pool.h"
#include "kv/holder.h"

namespace cairn {
namespace {

class NoneHolder final : public KvHolder {
 public:
  explicit NoneHolder(BlockPool scratch, int64_t context_blocks)
      : scratch_(std::move(scratch)), context_blocks_(context_blocks) {}

  Room grow(SequenceId, KvBlockTable& table, int64_t block_count) override {
    return scratch_.grow(table, block_count);
  }
  void shrink(SequenceId, KvBlockTable& table, int64_t block_count) override {
    scratch_.shrink(table, block_count);
  }
  [[nodiscard]] bool keeps_rows() const override { return false; }
  [[nodiscard]] uint64_t pool_bytes() const override { return scratch_.bytes(); }
  [[nodiscard]] int64_t max_blocks_alone() const override { return context_blocks_; }
  [[nodiscard]] Status check(std::span<const KvBlockTable> tables) const override {
    return scratch_.check(tables);
  }

 private:
  BlockPool scratch_;
  int64_t context_blocks_;
};

}  // namespace

Result<std::unique_ptr<KvHolder>> make_none_holder(const KvHolderPlan& plan) {
  // A step of `context` rows in k sequences ends at most k blocks in the middle.
  const int64_t block_count = plan.context_blocks + plan.max_sequences;
  CAIRN_ASSIGN_OR_RETURN(auto scratch, BlockPool::make(plan.geometry.block_bytes(), block_count));
  return std::unique_ptr<KvHolder>(std::make_unique<NoneHolder>(std::move(scratch), plan.context_blocks));
}

}  // namespace cairn
