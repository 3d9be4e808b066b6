// BlockTiers: where sealed blocks are besides memory (disk, a remote store), and the ladder between. What the cache seals is
// written behind (block_writer.h); what a text needs and memory has not is loaded, where that is worth it (block_loader.h).
//
// Always true: nothing here makes the engine's thread wait but wait_for_news(). What a load gives is the wanted block, to the
// bit, or it ends. Whatever fails in a tier costs copies and counts, never a request.
//
// One thread (the engine's) uses it; flush() and counts() are for any. It must outlive the cache that it is given to.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "cairn/status.h"
#include "kv/kv_cache.h"
#include "kv/tiers/block_loader.h"
#include "kv/tiers/block_writer.h"
#include "kv/tiers/tier.h"
#include "store/disk_store.h"
#include "store/redis_store.h"

namespace cairn {

struct BlockTierOptions {
  std::shared_ptr<DiskStore> disk;  // several caches of a process may share them; null: there is none
  std::shared_ptr<RedisStore> remote;
  LoadPolicy load = LoadPolicy::kAuto;
  // Of a load from the disk, how much may come while a step waits for it, which hears nobody meanwhile: here a tenth of a second
  // of a usual disk.
  uint64_t streamed_bytes = uint64_t{64} << 20;
  // Of it, what is read of a block at once: smaller reads would wait for the disk more often than it moves bytes.
  uint64_t layer_read_bytes = 256 << 10;

  [[nodiscard]] bool has_any() const { return disk != nullptr || remote != nullptr; }
};

struct BlockTierCounts {
  BlockWriter::Counts writer;
  BlockLoader::Counts loader;
  std::optional<DiskStoreCounts> disk;
  std::optional<RedisCounts> remote;
  uint64_t remote_bad_count = 0;  // values that were not the block whose name they had
};

class BlockTiers {
 public:
  // Memory for blocks on their way, of steps with so many rows: exact.
  static Result<uint64_t> memory_bytes(const KvGeometry& geometry, int64_t step_rows);
  // Of a cache that shares prefixes, whose identity names its model. Errors: kUnsupported (the cache's blocks are too
  // large, or it shares nothing), kInvalidArgument (the disk has no room for one block), kResourceExhausted.
  static Result<std::unique_ptr<BlockTiers>> create(const BlockTierOptions& options, const KvCache& cache,
                                                    int64_t step_rows);
  ~BlockTiers();
  BlockTiers(const BlockTiers&) = delete;
  BlockTiers& operator=(const BlockTiers&) = delete;

  // What the cache seals from now on is kept.
  void watch(KvCache& cache);
  // Whose blocks an owner's are, for who wants them erased. An owner that is not named is nobody.
  void set_owner_tag(KvOwner owner, const OwnerTag& tag);

  // Never waits. May throw std::bad_alloc.
  BlockLoader::Begun begin_load(const LoadWish& wish, const OwnerTag& owner) {
    return loader_->begin(wish, owner);
  }
  // Makes the next block of the load rows of the sequence, which has room. False: it has not come yet, or the load has ended.
  bool restore_next(BlockLoad& load, KvCache& cache, const KvLease& lease, std::span<const TokenId> tokens);
  // The first `block_count` blocks of a sequence were found in memory: they count as used on the disk too, and what it has not
  // (any more) is kept again.
  void offer_again(KvCache& cache, const KvLease& lease, const NamedText& text, int64_t block_count);

  void note_computed(int64_t first_position, int64_t rows, uint64_t ns) {
    loader_->note_computed(first_position, rows, ns);
  }
  void wait_for_news(std::chrono::milliseconds patience) { loader_->wait_for_news(patience); }
  // Waits until what was sealed before is in the tiers, and on the disk for good. Errors: DiskStore::flush.
  Status flush();
  [[nodiscard]] BlockTierCounts counts() const;

 private:
  explicit BlockTiers(BlockRecordForm form) : form_(std::move(form)) {}
  void keep(const SealedBlock& block);
  [[nodiscard]] OwnerTag tag_of(KvOwner owner) const;

  const BlockRecordForm form_;
  std::unique_ptr<DiskTier> disk_;  // null: there is none
  std::unique_ptr<RemoteTier> remote_;
  std::unique_ptr<BlockWriter> writer_;
  std::unique_ptr<BlockLoader> loader_;
  std::unordered_map<uint32_t, OwnerTag> owner_tags_;
  bool is_offered_again_ = false;      // what is being shown was found in memory
  std::optional<Tier> restores_from_;  // while a block that was loaded is being sealed
};

}  // namespace cairn
