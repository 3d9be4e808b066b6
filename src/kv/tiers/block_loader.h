// BlockLoader: blocks on their way back from the tiers. A load is a run of blocks of one text; a thread for each tier reads them in order
// into slots, a bounded number ahead, while whoever asked computes other things and takes them one by one. Where a block is
// missing, damaged or late, the load ends before it: what was taken is good, the rest is to be computed.
//
// Where nobody else would be kept waiting, the last blocks of a load can come while a step runs that needs them: layer by layer,
// into the cache's own memory, so that the first layers are computed before the last have come.
//
// Whether a load is worth it is decided here (LoadPolicy, load_estimate.h): at once where the disk has the blocks, and by the
// thread where a remote store has to be asked first.
//
// begin, note_computed and the loads are for one thread (the engine's); counts() is for any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "cairn/status.h"
#include "kv/tiers/block_slots.h"
#include "kv/tiers/disk_tier.h"
#include "kv/tiers/load_estimate.h"
#include "kv/tiers/remote_tier.h"
#include "kv/tiers/tier.h"

namespace cairn {

class BlockLoader;

struct BlockLoaderOptions {
  int64_t slot_count = 0;
  LoadPolicy policy = LoadPolicy::kAuto;
  uint64_t streamed_bytes = 0;  // that may come while a step waits for them
};

// What is wanted: blocks [first_block, end_block) of a text.
struct LoadWish {
  std::span<const TokenId> tokens;  // of the whole text
  const PrefixNames& names;         // at least up to end_block
  int64_t first_block = 0;
  int64_t end_block = 0;
  bool may_stream =
      false;  // the last of them may wait for BlockLoad::stream or go_on, where they are on the disk
};

// One load; dropped, it is cancelled. Must not outlive its loader.
class BlockLoad {
 public:
  struct State;
  BlockLoad(BlockLoader& loader, std::shared_ptr<State> state) : loader_(loader), state_(std::move(state)) {}
  BlockLoad(const BlockLoad&) = delete;
  BlockLoad& operator=(const BlockLoad&) = delete;
  ~BlockLoad();

  struct Block {
    std::span<const std::span<const std::byte>> group_bytes;  // until pop()
    Tier tier = Tier::kDisk;
  };
  // The next block of the text, where it has come.
  [[nodiscard]] std::optional<Block> front() const;
  void pop();

  // How many blocks wait for the caller's word; 0 unless those before them have all been taken.
  [[nodiscard]] int64_t waiting_blocks() const;
  // They come as the others did.
  void go_on();
  // They come layer by layer, into this memory: of each block its groups. Nothing is written there after end_stream.
  void stream(std::vector<std::vector<std::span<std::byte>>> to);
  // Waits until a layer of all of them is there; a second at most for all layers together. kInvalidData: one of them is missing,
  // damaged or late.
  Status wait_for_layer(int64_t layer);
  // kUsed: all have come, and are rows now. Else those before a bad one come as the others did.
  enum class Streamed { kUsed, kInVain };
  void end_stream(Streamed how);

  // No more will come, and none is left to be taken.
  [[nodiscard]] bool has_ended() const;
  // Of its end: what it brought.
  [[nodiscard]] LoadReport report() const;

 private:
  BlockLoader& loader_;
  std::shared_ptr<State> state_;
};

class BlockLoader {
 public:
  struct Counts {
    uint64_t loads = 0;                         // that ended, of blocks that a tier had
    uint64_t cut_short = 0;                     // that ended before what was found
    uint64_t computed_instead = 0;              // not begun, or ended, because computing was quicker
    std::array<uint64_t, kTierCount> blocks{};  // that were taken, by Tier
  };
  static Result<std::unique_ptr<BlockLoader>> create(const KvGeometry& geometry,
                                                     const BlockLoaderOptions& options, DiskTier* disk,
                                                     RemoteTier* remote);
  ~BlockLoader();
  BlockLoader(const BlockLoader&) = delete;
  BlockLoader& operator=(const BlockLoader&) = delete;

  struct Begun {
    std::unique_ptr<BlockLoad> load;  // null: there is nothing to wait for
    LoadReport report;
  };
  // Never waits. May throw std::bad_alloc.
  Begun begin(const LoadWish& wish, const OwnerTag& owner);
  void note_computed(int64_t first_position, int64_t rows, uint64_t ns);
  // Until a block has come or a load has ended since the last call, but no longer than `patience`.
  void wait_for_news(std::chrono::milliseconds patience);
  [[nodiscard]] Counts counts() const;

 private:
  friend class BlockLoad;
  using Lock = std::unique_lock<std::mutex>;
  BlockLoader(BlockSlots slots, const KvGeometry& geometry, const BlockLoaderOptions& options, DiskTier* disk,
              RemoteTier* remote);
  // Slots, and the blocks that are read into them.
  struct Taken {
    std::vector<int32_t> slots;
    std::vector<StoredBlock> blocks;
    std::vector<BlockBytes> to;
  };
  [[nodiscard]] Taken take_slots(const BlockLoad::State& load, int64_t first, int64_t most);
  void run(Tier tier);
  [[nodiscard]] bool has_work(const BlockLoad::State& load, Tier tier) const;
  [[nodiscard]] std::shared_ptr<BlockLoad::State> next_load(Tier tier);
  void advance_on_disk(BlockLoad::State& load, Lock& lock);
  void advance_on_remote(BlockLoad::State& load, Lock& lock);
  void end_if_done(BlockLoad::State& load);
  void ask_remote(Lock& lock);
  void read_disk(BlockLoad::State& load, Lock& lock);
  void read_layers(BlockLoad::State& load, Lock& lock);
  [[nodiscard]] int64_t read_layers_of(std::vector<RecordReader>& readers, const Taken& taken,
                                       int64_t first_block, int64_t first, int64_t end);
  void read_remote(BlockLoad::State& load, Lock& lock);
  void arrived(BlockLoad::State& load, Tier tier, std::span<const int32_t> slots, int64_t good_count,
               uint64_t ns);
  [[nodiscard]] int64_t blocks_to_stream(const LoadWish& wish, int64_t disk_count) const;
  [[nodiscard]] bool is_worth_it(LoadReport& report, Tier tier, int64_t first_block, int64_t count);
  void end(BlockLoad::State& load);
  void tell();

  const LoadPolicy policy_;
  const int64_t layer_count_;
  const int64_t streamed_blocks_;  // at most
  const int64_t remote_batch_;
  DiskTier* disk_;
  RemoteTier* remote_;
  mutable std::mutex mutex_;  // all that follows
  BlockSlots slots_;
  LoadEstimate estimate_;
  Counts counts_;
  std::vector<std::shared_ptr<BlockLoad::State>> loads_;  // in turn
  std::condition_variable work_;
  std::condition_variable news_;
  bool has_news_ = false;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;  // one for each tier: neither waits for the other
};

}  // namespace cairn
