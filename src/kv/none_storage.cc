// None: no row outlives its step. Attention still needs keys and values of all positions of the step, so
// there is scratch for as many rows as a step may have: `context` of all sequences together. The scratch is
// kept, so that recomputing everything pays for arithmetic, not for the system's zeroing of fresh pages.
#include "kv/paged_storage.h"

namespace cairn {

Result<std::unique_ptr<KvStorage>> make_none_storage(const KvStoragePlan& plan, KvEventLog& events) {
  KvStoragePlan scratch = plan;
  // A step of `context` rows in k sequences ends at most k blocks in the middle.
  scratch.pool_blocks.assign(plan.pool_blocks.size(), plan.context_blocks + plan.max_sequences);
  scratch.sharing = PrefixSharing::kOff;
  scratch.forgets = false;
  return PagedStorage::make(scratch, events, PagedStorage::Rows::kGoAfterEachStep);
}

}  // namespace cairn
