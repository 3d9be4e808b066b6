#include "kv/tiers/block_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "base/unix_time.h"

namespace cairn {
namespace {

constexpr size_t kRemoteBatch = 16;

}  // namespace

Result<std::unique_ptr<BlockWriter>> BlockWriter::create(const KvGeometry& geometry, int64_t slot_count,
                                                         DiskTier* disk, RemoteTier* remote) {
  CAIRN_ASSIGN_OR_RETURN(BlockSlots slots, BlockSlots::create(geometry, slot_count));
  return no_throw([&]() -> Result<std::unique_ptr<BlockWriter>> {
    std::unique_ptr<BlockWriter> writer(
        new BlockWriter(std::move(slots), geometry.block_bytes(), disk, remote));
    for (const Tier tier : {Tier::kDisk, Tier::kRemote}) {
      const bool is_there = tier == Tier::kDisk ? disk != nullptr : remote != nullptr;
      if (is_there) writer->queue(tier).thread = std::thread([&w = *writer, tier] { w.run(tier); });
    }
    return writer;
  });
}

BlockWriter::BlockWriter(BlockSlots slots, uint64_t block_bytes, DiskTier* disk, RemoteTier* remote)
    : remote_batch_(static_cast<size_t>(RemoteTier::batch_of(block_bytes, kRemoteBatch))),
      disk_(disk),
      remote_(remote),
      staged_(static_cast<size_t>(slots.count())),
      slots_(std::move(slots)) {
  for (Queue& each : queues_) each.slots.resize(staged_.size());
}

BlockWriter::~BlockWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  for (Queue& each : queues_) {
    each.changed.notify_all();
    if (each.thread.joinable()) each.thread.join();
  }
}

void BlockWriter::keep(const SealedBlock& block, const OwnerTag& owner, bool to_disk, bool to_remote) {
  std::unique_lock lock(mutex_);
  // A store that is slow must not take the slots from the disk.
  if (to_remote && disk_ != nullptr && queue(Tier::kRemote).count >= staged_.size() / 2) {
    ++counts_.dropped;
    to_remote = false;
  }
  if (!to_disk && !to_remote) return;
  if (!slots_.has_free()) {
    ++counts_.dropped;
    return;
  }
  const int32_t slot = slots_.take();
  ++counts_.waiting;
  lock.unlock();
  Staged& staged = staged_[static_cast<size_t>(slot)];
  std::ranges::copy(block.tokens, staged.tokens.begin());
  staged.block = {
      .name = block.name,
      .place = {.root = block.root, .parent = block.parent, .index = block.index, .tokens = staged.tokens},
      .owner = owner};
  const BlockBytes to = slots_.bytes(slot);
  for (size_t group = 0; group < to.size(); ++group) {
    std::memcpy(to[group].data(), block.group_bytes[group].data(), to[group].size());
  }
  lock.lock();
  staged.waits_for = static_cast<int>(to_disk) + static_cast<int>(to_remote);
  if (to_disk) push(Tier::kDisk, slot);
  if (to_remote) push(Tier::kRemote, slot);
}

bool BlockWriter::has_waiting(const BlockName& name) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(
      staged_, [&](const Staged& staged) { return staged.waits_for > 0 && staged.block.name == name; });
}

void BlockWriter::push(Tier tier, int32_t slot) {
  Queue& to = queue(tier);
  CHECK(to.thread.joinable() && to.count < to.slots.size());
  to.slots[(to.begin + to.count++) % to.slots.size()] = slot;
  to.changed.notify_one();
}

void BlockWriter::run(Tier tier) {
  Queue& from = queue(tier);
  const size_t most = tier == Tier::kDisk ? 1 : remote_batch_;
  std::array<int32_t, kRemoteBatch> taken{};
  std::unique_lock lock(mutex_);
  for (;;) {
    from.changed.wait(lock, [&] { return from.count > 0 || is_stopping_; });
    if (from.count == 0) return;
    const size_t count = std::min(from.count, most);
    for (size_t i = 0; i < count; ++i) taken[i] = from.slots[(from.begin + i) % from.slots.size()];
    lock.unlock();
    const size_t kept = write(tier, std::span(taken).first(count));
    lock.lock();
    counts_.kept[static_cast<size_t>(tier)] += kept;
    counts_.failed[static_cast<size_t>(tier)] += count - kept;
    from.begin = (from.begin + count) % from.slots.size();
    from.count -= count;
    for (const int32_t slot : std::span(taken).first(count)) {
      if (--staged_[static_cast<size_t>(slot)].waits_for > 0) continue;
      slots_.give(slot);
      --counts_.waiting;
    }
    if (counts_.waiting == 0) all_written_.notify_all();
  }
}

// Returns how many the tier has taken. A full disk, no memory and a store that is not there cost copies, nothing else.
size_t BlockWriter::write(Tier tier, std::span<const int32_t> slots) {
  size_t kept = 0;
  (void)no_throw([&] {
    if (tier == Tier::kDisk) {
      const StoredBlock& block = staged_[static_cast<size_t>(slots[0])].block;
      kept = disk_->put(block, slots_.bytes(slots[0]), unix_ms()).ok() ? 1 : 0;
      return Status();
    }
    std::vector<StoredBlock> blocks;
    std::vector<BlockBytes> bytes;
    for (const int32_t slot : slots) {
      blocks.push_back(staged_[static_cast<size_t>(slot)].block);
      bytes.push_back(slots_.bytes(slot));
    }
    kept = remote_->put(blocks, bytes, unix_ms());
    return Status();
  });
  return kept;
}

bool BlockWriter::has_room() const {
  const std::lock_guard lock(mutex_);
  return slots_.has_free();
}

void BlockWriter::wait_until_written() {
  std::unique_lock lock(mutex_);
  all_written_.wait(lock, [&] { return counts_.waiting == 0; });
}

BlockWriter::Counts BlockWriter::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace cairn
