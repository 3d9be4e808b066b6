#include "kv/tiers/stored_block.h"

namespace cairn {

BlockRecord::BlockRecord(const BlockRecordForm& form, const StoredBlock& block, BlockBytes bytes,
                         uint64_t now_ms)
    : head_(form.head_bytes()) {
  form.write_head(block.place, head_);
  slices_.reserve(form.slices().size());
  for (const BlockRecordForm::Slice& slice : form.slices()) slices_.push_back(slice_of(bytes, slice));
  view_ = {.name = record_name_of(block.name),
           .owner = block.owner,
           .created_ms = now_ms,
           .head = head_,
           .slices = slices_};
}

}  // namespace cairn
