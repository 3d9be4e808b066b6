// RedisStore: bytes under a name in a store that machines share: a Redis (or Valkey) server or Cluster, spoken to in RESP2
// over TCP or TLS. It knows nothing of tokens or tensors.
//
// Always true: no call lasts longer than its deadline, connection and TLS included; a store that is dead, slow, full or
// talks nonsense costs misses and counters, never an error of the caller's work. A name's bytes are what somebody stored
// under it: they must be verified before they are used. Any thread may call it, several at once; a call blocks its
// thread, so it is for background threads, never on a step's way. Callbacks run on the calling thread, within the call,
// and must neither throw nor call the store.
//
// A name is 1 to kRedisNameBytesMax bytes of any value; redis_key.h says how they become keys. erase_all() erases the names that begin alike, so
// whoever wants an owner's data erased begins the names with the owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "store/redis_counts.h"
#include "store/redis_options.h"

namespace cairn {

inline constexpr size_t kRedisNameBytesMax = 256;

// How the names of one call fared; all of them together are those that were given.
struct RedisTally {
  size_t done = 0;    // found, stored or erased
  size_t absent = 0;  // a node said that it has none
  size_t failed = 0;  // nobody knows: to the caller they are absent too
};

struct RedisItem {
  std::string_view name;
  std::span<const std::byte> bytes;
};

class RedisStore {
 public:
  // Only reads the options; a store that is not there is no error.
  static Result<std::unique_ptr<RedisStore>> create(RedisStoreOptions options);
  ~RedisStore();
  RedisStore(const RedisStore&) = delete;
  RedisStore& operator=(const RedisStore&) = delete;

  // `on_value` is called once for each name, as replies come, in any order; those that failed come last. Null: a miss.
  using OnValue = std::function<void(size_t index, std::optional<std::vector<std::byte>> bytes)>;
  RedisTally get(std::span<const std::string_view> names, const OnValue& on_value);
  // Replaces what is there.
  RedisTally set(std::span<const RedisItem> items);
  // `found` gets a value for each name.
  RedisTally exists(std::span<const std::string_view> names, std::vector<bool>& found);
  RedisTally erase(std::span<const std::string_view> names);
  // Erases every value whose name begins with `name_start` (empty: all of this prefix), on all nodes, within `deadline`.
  // Returns how many; a Status where some may be left.
  Result<uint64_t> erase_all(std::string_view name_start, std::chrono::milliseconds deadline);
  // Whether every node answers; the Status says which one does not, and why.
  Status ping();

  [[nodiscard]] RedisCounts counts() const;
  struct State {
    bool is_cluster = false;
    std::vector<RedisNodeState> nodes;  // that were asked so far
  };
  [[nodiscard]] State state() const;

 private:
  class Impl;
  explicit RedisStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
