#include "kv/tiers/block_tiers.h"

#include <algorithm>
#include <utility>

namespace cairn {
namespace {

// Blocks ahead of who takes them: enough for a disk to be kept busy.
constexpr int64_t kLoadSlots = 8;

// A step does not wait for the disk: what it seals at once, twice; of small blocks more, so that short stalls cost none.
int64_t write_slots(const KvGeometry& geometry, int64_t step_rows) {
  constexpr uint64_t kMostBytes = uint64_t{32} << 20;
  constexpr uint64_t kMost = 64;
  const uint64_t of_small_blocks = std::min(kMost, kMostBytes / geometry.block_bytes());
  return std::max(2 * (step_rows / kBlockSize + 1), static_cast<int64_t>(of_small_blocks));
}

}  // namespace

Result<uint64_t> BlockTiers::memory_bytes(const KvGeometry& geometry, int64_t step_rows) {
  return geometry.bytes_of_blocks(write_slots(geometry, step_rows) + kLoadSlots);
}

Result<std::unique_ptr<BlockTiers>> BlockTiers::create(const BlockTierOptions& options, const KvCache& cache,
                                                       int64_t step_rows) {
  if (cache.identity().empty()) {
    return unsupported(
        "blocks are kept on disk or in a store only where prefixes are shared: use paged storage, with "
        "sharing on");
  }
  const KvGeometry& geometry = cache.geometry();
  CAIRN_ASSIGN_OR_RETURN(BlockRecordForm form, BlockRecordForm::make(geometry, cache.identity()));
  std::unique_ptr<BlockTiers> tiers(new BlockTiers(std::move(form)));
  if (options.disk != nullptr) {
    const auto slices = tiers->form_.slice_bytes();
    const RecordLayout layout = lay_out_record(static_cast<uint32_t>(tiers->form_.head_bytes()), slices);
    CAIRN_RETURN_IF_ERROR(options.disk->check_fits(layout, slices.size()));
    tiers->disk_ = std::make_unique<DiskTier>(tiers->form_, options.disk, options.layer_read_bytes);
  }
  if (options.remote != nullptr) tiers->remote_ = std::make_unique<RemoteTier>(tiers->form_, options.remote);
  CAIRN_ASSIGN_OR_RETURN(tiers->writer_, BlockWriter::create(geometry, write_slots(geometry, step_rows),
                                                             tiers->disk_.get(), tiers->remote_.get()));
  CAIRN_ASSIGN_OR_RETURN(tiers->loader_, BlockLoader::create(geometry,
                                                             {.slot_count = kLoadSlots,
                                                              .policy = options.load,
                                                              .streamed_bytes = options.streamed_bytes},
                                                             tiers->disk_.get(), tiers->remote_.get()));
  return tiers;
}

// The writer's thread gives what is left to the tiers before they close.
BlockTiers::~BlockTiers() {
  loader_.reset();
  writer_.reset();
}

void BlockTiers::watch(KvCache& cache) {
  cache.watch_sealed([this](const SealedBlock& block) { keep(block); });
}

void BlockTiers::set_owner_tag(KvOwner owner, const OwnerTag& tag) { owner_tags_[owner.value] = tag; }

OwnerTag BlockTiers::tag_of(KvOwner owner) const {
  const auto found = owner_tags_.find(owner.value);
  return found == owner_tags_.end() ? OwnerTag{} : found->second;
}

// What comes from the remote store is kept on the disk too; what the disk has was offered to the remote store before.
void BlockTiers::keep(const SealedBlock& block) {
  if (restores_from_ == Tier::kDisk) return;
  const bool is_on_disk = disk_ != nullptr && disk_->touch(block.name, block.index);
  const bool to_disk = disk_ != nullptr && !is_on_disk;
  const bool to_remote =
      remote_ != nullptr && !is_on_disk && !restores_from_.has_value() && !is_offered_again_;
  writer_->keep(block, tag_of(block.owner), to_disk, to_remote);
}

void BlockTiers::offer_again(KvCache& cache, const KvLease& lease, const NamedText& text,
                             int64_t block_count) {
  if (disk_ == nullptr) return;
  is_offered_again_ = true;
  for (int64_t block = 0; block < block_count; ++block) {
    const BlockName& name = text.names.blocks[static_cast<size_t>(block)];
    const bool is_kept = disk_->touch(name, block);
    if (!is_kept && writer_->has_room() && !writer_->has_waiting(name)) {
      cache.show_sealed_again(lease, text, block);
    }
  }
  is_offered_again_ = false;
}

bool BlockTiers::restore_next(BlockLoad& load, KvCache& cache, const KvLease& lease,
                              std::span<const TokenId> tokens) {
  const auto block = load.front();
  if (!block.has_value()) return false;
  restores_from_ = block->tier;
  cache.restore(lease, tokens, block->group_bytes);
  restores_from_.reset();
  load.pop();
  return true;
}

Status BlockTiers::flush() {
  writer_->wait_until_written();
  return disk_ != nullptr ? disk_->store().flush() : Status();
}

BlockTierCounts BlockTiers::counts() const {
  BlockTierCounts counts{.writer = writer_->counts(), .loader = loader_->counts(), .disk = {}, .remote = {}};
  if (disk_ != nullptr) counts.disk = disk_->store().counts();
  if (remote_ != nullptr) {
    counts.remote = remote_->store().counts();
    counts.remote_bad_count = remote_->bad_count();
  }
  return counts;
}

}  // namespace cairn
