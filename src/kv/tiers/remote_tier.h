// RemoteTier: blocks as values of a RedisStore: a whole record each, under the owner's tag and the block's name. As with the
// disk, what `read` gives has the head of the wanted block, byte for byte, and every checksum agrees.
// Of any thread; every call waits for the network, no longer than the store's deadline.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kv/tiers/stored_block.h"
#include "store/file_io_buffer.h"
#include "store/redis_store.h"

namespace cairn {

class RemoteTier {
 public:
  // `form` must outlive it.
  RemoteTier(const BlockRecordForm& form, std::shared_ptr<RedisStore> store)
      : form_(form), store_(std::move(store)) {}

  // How many blocks go in one round trip: so many that the trip costs little, and so few bytes that a slow network moves them
  // within the store's deadline; `most` at most.
  [[nodiscard]] static int64_t batch_of(uint64_t block_bytes, int64_t most) {
    constexpr uint64_t kBytes = uint64_t{16} << 20;
    return std::clamp<int64_t>(static_cast<int64_t>(kBytes / block_bytes), 1, most);
  }

  struct Question {
    OwnerTag owner{};
    std::span<const BlockName> names;
  };
  // How many blocks of each question, from its first on, the store says it has. All are asked at once.
  [[nodiscard]] std::vector<int64_t> leading_counts(std::span<const Question> questions);
  // Returns how many blocks, from the first on, are in `to`: those behind them are missing, damaged or late.
  int64_t read(std::span<const StoredBlock> blocks, std::span<const BlockBytes> to);
  // Returns how many were stored.
  size_t put(std::span<const StoredBlock> blocks, std::span<const BlockBytes> bytes, uint64_t now_ms);

  [[nodiscard]] RedisStore& store() { return *store_; }
  [[nodiscard]] const RedisStore& store() const { return *store_; }
  [[nodiscard]] uint64_t bad_count() const { return bad_count_; }

 private:
  [[nodiscard]] bool take(const StoredBlock& block, std::span<const std::byte> record, BlockBytes to) const;

  const BlockRecordForm& form_;
  std::shared_ptr<RedisStore> store_;
  std::atomic<uint64_t> bad_count_ = 0;  // values that were not the block whose name they had
};

}  // namespace cairn
