#include "store/redis_slots.h"

#include <algorithm>

namespace cairn {
namespace {

using Kind = RespValue::Kind;

Status not_a_map() { return invalid_data("the answer to CLUSTER SLOTS is no map of slots"); }

// [host, port, …]; a host may be null or empty.
Result<RedisAddress> address_of(const RespValue& node, const RedisAddress& asked) {
  if (node.elements.size() < 2 || !node.elements[1].is(Kind::kInteger)) return not_a_map();
  const std::string_view host = node.elements[0].bytes_text();
  const int64_t port = node.elements[1].integer;
  if (port <= 0 || port > UINT16_MAX || (!host.empty() && !is_redis_host(host))) return not_a_map();
  return RedisAddress{.host = host.empty() ? asked.host : std::string(host),
                      .port = static_cast<uint16_t>(port)};
}

}  // namespace

Result<RedisSlots> RedisSlots::from_reply(const RespValue& reply, const RedisAddress& asked) {
  if (!reply.is(Kind::kArray)) return not_a_map();
  RedisSlots slots;
  for (const RespValue& range : reply.elements) {  // [first, last, master, replica…]
    if (range.elements.size() < 3) return not_a_map();
    const RespValue& first = range.elements[0];
    const RespValue& last = range.elements[1];
    if (!first.is(Kind::kInteger) || !last.is(Kind::kInteger)) return not_a_map();
    if (first.integer < 0 || last.integer >= kRedisSlotCount || first.integer > last.integer)
      return not_a_map();
    CAIRN_ASSIGN_OR_RETURN(const RedisAddress address, address_of(range.elements[2], asked));
    CAIRN_ASSIGN_OR_RETURN(const uint16_t owner, slots.index_of(address));
    std::fill(slots.owner_of_.begin() + first.integer, slots.owner_of_.begin() + last.integer + 1, owner);
  }
  return slots;
}

const RedisAddress* RedisSlots::node_of(uint16_t slot) const {
  const uint16_t owner = owner_of_[slot];
  return owner == kNobody ? nullptr : &nodes_[owner];
}

Status RedisSlots::move(uint16_t slot, const RedisAddress& node) {
  CAIRN_ASSIGN_OR_RETURN(owner_of_[slot], index_of(node));
  return {};
}

Result<uint16_t> RedisSlots::index_of(const RedisAddress& node) {
  const auto found = std::find(nodes_.begin(), nodes_.end(), node);
  if (found != nodes_.end()) return static_cast<uint16_t>(found - nodes_.begin());
  if (nodes_.size() >= kRedisNodesMax) return resource_exhausted("the Cluster has too many nodes");
  nodes_.push_back(node);
  return static_cast<uint16_t>(nodes_.size() - 1);
}

}  // namespace cairn
