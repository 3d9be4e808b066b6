// Paged: one pool of blocks for all sequences; a sequence takes a block when its last one is full, so memory
// follows what is used, and no row is ever copied.
#include "kv/block_pool.h"
#include "kv/holder.h"

namespace cairn {
namespace {

class PagedHolder final : public KvHolder {
 public:
  explicit PagedHolder(BlockPool pool) : pool_(std::move(pool)) {}

  Room grow(SequenceId, KvBlockTable& table, int64_t block_count) override {
    return pool_.grow(table, block_count);
  }
  void shrink(SequenceId, KvBlockTable& table, int64_t block_count) override {
    pool_.shrink(table, block_count);
  }
  [[nodiscard]] uint64_t pool_bytes() const override { return pool_.bytes(); }
  [[nodiscard]] int64_t max_blocks_alone() const override { return pool_.block_count(); }
  [[nodiscard]] Status check(std::span<const KvBlockTable> tables) const override {
    return pool_.check(tables);
  }

 private:
  BlockPool pool_;
};

}  // namespace

Result<std::unique_ptr<KvHolder>> make_paged_holder(const KvHolderPlan& plan) {
  CAIRN_ASSIGN_OR_RETURN(auto pool, BlockPool::make(plan.geometry.block_bytes(), plan.pool_blocks));
  return std::unique_ptr<KvHolder>(std::make_unique<PagedHolder>(std::move(pool)));
}

}  // namespace cairn
