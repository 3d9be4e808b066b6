// BlockWriter: copies of sealed blocks on their way to the tiers, written behind. `keep` copies a block and returns; a thread
// for each tier does the rest. Where they fall so far behind that no slot is free, a block is not kept, and counted.
//
// `keep` is for one thread (the engine's), everything else for any. Its destructor writes what is left.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cairn/status.h"
#include "kv/sealed_block.h"
#include "kv/tiers/block_slots.h"
#include "kv/tiers/disk_tier.h"
#include "kv/tiers/remote_tier.h"
#include "kv/tiers/tier.h"

namespace cairn {

class BlockWriter {
 public:
  struct Counts {
    std::array<uint64_t, kTierCount> kept{};    // blocks that a tier has taken, by Tier
    std::array<uint64_t, kTierCount> failed{};  // that it would not take
    uint64_t dropped = 0;                       // for want of a free slot
    uint64_t waiting = 0;                       // in slots now
  };
  // A tier that is null has no thread. They must outlive it.
  static Result<std::unique_ptr<BlockWriter>> create(const KvGeometry& geometry, int64_t slot_count,
                                                     DiskTier* disk, RemoteTier* remote);
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  // For those of the tiers that are named.
  void keep(const SealedBlock& block, const OwnerTag& owner, bool to_disk, bool to_remote);
  // Whether this block is in a slot.
  [[nodiscard]] bool has_waiting(const BlockName& name) const;
  // Whether a slot is free.
  [[nodiscard]] bool has_room() const;
  // Returns when all that was kept before has been given to its tiers.
  void wait_until_written();
  [[nodiscard]] Counts counts() const;

 private:
  struct Staged {
    StoredBlock block;
    BlockTokens tokens{};  // block.place.tokens points here
    int waits_for = 0;     // tiers
  };
  // Slots in the order in which they were filled; a ring with room for all.
  struct Queue {
    std::vector<int32_t> slots;
    size_t begin = 0;
    size_t count = 0;
    std::thread thread;
    std::condition_variable changed;
  };

  BlockWriter(BlockSlots slots, uint64_t block_bytes, DiskTier* disk, RemoteTier* remote);
  [[nodiscard]] Queue& queue(Tier tier) { return queues_[static_cast<size_t>(tier)]; }
  void push(Tier tier, int32_t slot);
  void run(Tier tier);
  [[nodiscard]] size_t write(Tier tier, std::span<const int32_t> slots);

  const size_t remote_batch_;
  DiskTier* disk_;
  RemoteTier* remote_;
  std::vector<Staged> staged_;  // by slot
  mutable std::mutex mutex_;    // all that follows, and which slot is whose
  BlockSlots slots_;
  std::array<Queue, kTierCount> queues_;
  std::condition_variable all_written_;
  Counts counts_;
  bool is_stopping_ = false;
};

}  // namespace cairn
