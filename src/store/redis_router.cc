#include "store/redis_router.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn {
namespace {

constexpr uint64_t kMapPauseNs =
    1'000'000'000;  // a Cluster that is being moved says so with every other reply

}  // namespace

RedisRouter::RedisRouter(std::vector<RedisAddress> seeds, const RedisBreakerOptions& breaker,
                         const Clock& clock)
    : seeds_(std::move(seeds)), breaker_options_(breaker), clock_(clock), is_cluster_(seeds_.size() > 1) {
  CHECK(!seeds_.empty());
}

std::optional<RedisAddress> RedisRouter::node_of(uint16_t slot) const {
  const std::lock_guard lock(mutex_);
  if (!is_cluster_) return seeds_.front();
  const RedisAddress* node = slots_.node_of(slot);
  return node == nullptr ? std::nullopt : std::optional(*node);
}

std::vector<RedisAddress> RedisRouter::nodes() const {
  const std::lock_guard lock(mutex_);
  return is_cluster_ ? slots_.nodes() : seeds_;
}

bool RedisRouter::is_cluster() const {
  const std::lock_guard lock(mutex_);
  return is_cluster_;
}

RedisRouter::Node* RedisRouter::node(const RedisAddress& address) {
  const auto found = nodes_.find(address);
  if (found != nodes_.end()) return &found->second;
  if (nodes_.size() >= kRedisNodesMax + seeds_.size()) return nullptr;
  return &nodes_.emplace(address, Node{.breaker = RedisBreaker(breaker_options_), .last_failure = {}})
              .first->second;
}

bool RedisRouter::allow(const RedisAddress& address) {
  const std::lock_guard lock(mutex_);
  Node* known = node(address);
  return known != nullptr && known->breaker.allow(clock_.now_ns());
}

void RedisRouter::report(const RedisAddress& address, Report report, const std::string& why) {
  const std::lock_guard lock(mutex_);
  Node* known = node(address);
  if (known == nullptr) return;
  if (report == Report::kAnswered) known->breaker.succeeded();
  if (report == Report::kNotAsked) known->breaker.did_not_ask();
  if (report != Report::kFailed) return;
  known->last_failure = why;
  is_stale_ = true;  // its slots may be another node's by now
  if (known->breaker.failed(clock_.now_ns())) ++breaker_open_count_;
}

void RedisRouter::note_refusal(const RedisAddress& address, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (Node* const known = node(address); known != nullptr) known->last_failure = why;
}

void RedisRouter::slot_moved(uint16_t slot, const RedisAddress& address) {
  const std::lock_guard lock(mutex_);
  is_cluster_ = true;
  is_stale_ = true;
  static_cast<void>(
      slots_.move(slot, address));  // no room: the slot stays where it is not, and its keys miss
}

void RedisRouter::map_is_stale() {
  const std::lock_guard lock(mutex_);
  is_stale_ = true;
}

bool RedisRouter::begin_map() {
  const std::lock_guard lock(mutex_);
  const uint64_t now_ns = clock_.now_ns();
  if (!is_cluster_ || !is_stale_) return false;
  if (has_map_ && now_ns - map_asked_at_ns_ < kMapPauseNs) return false;
  map_asked_at_ns_ = now_ns;
  return true;
}

bool RedisRouter::is_alone() const {
  const std::lock_guard lock(mutex_);
  return !is_cluster_;
}

std::vector<RedisAddress> RedisRouter::nodes_to_ask() const {
  const std::lock_guard lock(mutex_);
  std::vector<RedisAddress> nodes = slots_.nodes();
  for (const RedisAddress& seed : seeds_) {
    if (std::find(nodes.begin(), nodes.end(), seed) == nodes.end()) nodes.push_back(seed);
  }
  return nodes;
}

void RedisRouter::set_map(RedisSlots slots) {
  const std::lock_guard lock(mutex_);
  slots_ = std::move(slots);
  is_cluster_ = true;
  has_map_ = true;
  is_stale_ = false;
  // What is known of nodes that are gone is forgotten.
  std::erase_if(nodes_, [this](const auto& entry) {
    const auto& now = slots_.nodes();
    return std::find(now.begin(), now.end(), entry.first) == now.end() &&
           std::find(seeds_.begin(), seeds_.end(), entry.first) == seeds_.end();
  });
}

std::vector<RedisNodeState> RedisRouter::states() const {
  const std::lock_guard lock(mutex_);
  std::vector<RedisNodeState> states;
  for (const auto& [address, node] : nodes_) {
    states.push_back(
        {.address = address, .breaker = node.breaker.state(), .last_failure = node.last_failure});
  }
  return states;
}

uint64_t RedisRouter::breaker_open_count() const {
  const std::lock_guard lock(mutex_);
  return breaker_open_count_;
}

}  // namespace cairn
