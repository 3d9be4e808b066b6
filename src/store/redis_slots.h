// RedisSlots: which node has which slot of a Cluster, as CLUSTER SLOTS tells it. Plain data, of fixed size but for the
// nodes, of which there are at most kRedisNodesMax.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "store/redis_key.h"
#include "store/redis_url.h"
#include "store/resp.h"

namespace cairn {

inline constexpr size_t kRedisNodesMax = 1000;  // Redis's own advice for the size of a Cluster

class RedisSlots {
 public:
  RedisSlots() { owner_of_.fill(kNobody); }

  // `asked`: the node that answered; an answer without a host means its host.
  static Result<RedisSlots> from_reply(const RespValue& reply, const RedisAddress& asked);

  // Null: no node is known to have it.
  [[nodiscard]] const RedisAddress* node_of(uint16_t slot) const;
  // A slot is another node's now. kResourceExhausted where there would be too many nodes.
  [[nodiscard]] Status move(uint16_t slot, const RedisAddress& node);
  [[nodiscard]] const std::vector<RedisAddress>& nodes() const { return nodes_; }

 private:
  static constexpr uint16_t kNobody = UINT16_MAX;
  Result<uint16_t> index_of(const RedisAddress& node);

  std::vector<RedisAddress> nodes_;
  std::array<uint16_t, kRedisSlotCount> owner_of_;
};

}  // namespace cairn
