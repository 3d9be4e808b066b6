// RedisRouter: what is known of a store's nodes: which of them has a slot, which are asked at all (a breaker each), and how
// they did. Without a Cluster there is one node, the first seed, which has everything. Any thread may call it.
//
// The map of slots is loaded anew where it may be stale: after a node said that a slot has moved, or failed. In between
// single slots are moved one by one.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/redis_breaker.h"
#include "store/redis_counts.h"
#include "store/redis_slots.h"
#include "store/redis_url.h"

namespace cairn {

class RedisRouter {
 public:
  // Several seeds are nodes of a Cluster. `clock` must outlive the router.
  RedisRouter(std::vector<RedisAddress> seeds, const RedisBreakerOptions& breaker, const Clock& clock);

  // The node to ask for a slot; nothing while none is known.
  [[nodiscard]] std::optional<RedisAddress> node_of(uint16_t slot) const;
  // The nodes that have slots.
  [[nodiscard]] std::vector<RedisAddress> nodes() const;
  [[nodiscard]] bool is_cluster() const;

  // Whether the node may be asked now. If so, one report must follow.
  [[nodiscard]] bool allow(const RedisAddress& node);
  enum class Report { kAnswered, kFailed, kNotAsked };
  // `why`: a sentence about the failure.
  void report(const RedisAddress& node, Report report, const std::string& why);

  // A node answered, and said no: for people; it is no failure of the node's.
  void note_refusal(const RedisAddress& node, const std::string& why);

  // A node said that another one has the slot. Makes a single node a Cluster.
  void slot_moved(uint16_t slot, const RedisAddress& node);
  void map_is_stale();
  // Whether the caller should load the map now, from one of nodes_to_ask().
  [[nodiscard]] bool begin_map();
  // A single node whose other nodes, if it has any, were never heard of: whoever means all of them asks it for the map.
  [[nodiscard]] bool is_alone() const;
  [[nodiscard]] std::vector<RedisAddress> nodes_to_ask() const;
  void set_map(RedisSlots slots);

  [[nodiscard]] std::vector<RedisNodeState> states() const;
  [[nodiscard]] uint64_t breaker_open_count() const;

 private:
  struct Node {
    RedisBreaker breaker;
    std::string last_failure;
  };
  Node* node(const RedisAddress& address);  // null: there are too many

  const std::vector<RedisAddress> seeds_;
  const RedisBreakerOptions breaker_options_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::map<RedisAddress, Node> nodes_;
  RedisSlots slots_;
  bool is_cluster_;
  bool has_map_ = false;
  bool is_stale_ = true;
  uint64_t map_asked_at_ns_ = 0;
  uint64_t breaker_open_count_ = 0;
};

}  // namespace cairn
