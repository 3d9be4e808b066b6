// None: no row outlives its step. Attention still needs keys and values of all positions of the step, so
// there is scratch for as many rows as a step may have: `context` of all sequences together. The scratch is
// kept, so that recomputing everything pays for arithmetic, not for the system's zeroing of fresh pages.
#include "kv/paged_holder.h"

namespace cairn {

Result<std::unique_ptr<KvHolder>> make_none_holder(const KvHolderPlan& plan) {
  KvHolderPlan scratch = plan;
  // A step of `context` rows in k sequences ends at most k blocks in the middle.
  scratch.pool_blocks = plan.context_blocks + plan.max_sequences;
  scratch.sharing = KvSharing::kNone;
  CAIRN_ASSIGN_OR_RETURN(auto pool, BlockPool::make(plan.geometry.block_bytes(), scratch.pool_blocks));
  return std::unique_ptr<KvHolder>(
      std::make_unique<PagedHolder>(scratch, std::move(pool), PagedHolder::Rows::kGoAfterEachStep));
}

}  // namespace cairn
