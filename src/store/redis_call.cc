#include "store/redis_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/printable.h"

namespace cairn {
namespace {

using std::chrono::steady_clock;
using Kind = RedisOutcome::Kind;
using Report = RedisRouter::Report;

constexpr int kRoundsMax = 5;  // a key whose slot moves has two; more are a Cluster that does not know itself

// "MOVED 3999 127.0.0.1:6381", "ASK 3999 :6381": without a host it is that of the node that says so.
struct Redirection {
  bool is_asking = false;
  uint16_t slot = 0;
  RedisAddress node;
};

std::optional<Redirection> parse_redirection(std::string_view text, const RedisAddress& from) {
  Redirection found;
  found.is_asking = text.starts_with("ASK ");
  if (!found.is_asking && !text.starts_with("MOVED ")) return std::nullopt;
  text.remove_prefix(text.find(' ') + 1);
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::string_view slot = text.substr(0, blank);
  const auto parsed = std::from_chars(slot.data(), slot.data() + slot.size(), found.slot);
  if (parsed.ec != std::errc() || parsed.ptr != slot.data() + slot.size() || found.slot >= kRedisSlotCount) {
    return std::nullopt;
  }
  Result<RedisAddress> node = parse_redis_address(text.substr(blank + 1));
  if (!node.ok()) return std::nullopt;
  found.node = *std::move(node);
  if (found.node.host.empty()) found.node.host = from.host;
  return found;
}

}  // namespace

RedisCall::RedisCall(RedisLane& lane, RedisRouter& router, Time deadline,
                     std::chrono::milliseconds map_deadline)
    : lane_(lane), router_(router), deadline_(deadline), map_deadline_(map_deadline) {}

void RedisCall::run(const Batch& batch) {
  refresh_map();
  std::vector<Group> groups = first_groups(batch);
  for (int round = 0; round < kRoundsMax && !groups.empty() && steady_clock::now() < deadline_; ++round) {
    groups = next_groups(run_round(batch, groups));
  }
}

std::vector<RedisCall::Group> RedisCall::first_groups(const Batch& batch) {
  std::map<RedisAddress, std::vector<size_t>> of_node;
  for (size_t index = 0; index < batch.keys.size(); ++index) {
    const std::optional<RedisAddress> node = router_.node_of(redis_slot(batch.keys[index]));
    if (node) of_node[*node].push_back(index);
    if (!node) ++counts_.skipped;
  }
  std::vector<Group> groups;
  for (auto& [node, indices] : of_node) groups.push_back({.node = node, .indices = std::move(indices)});
  return groups;
}

// A node's connection does one thing at a time: where a node is both asked plainly and with ASKING, all is with ASKING,
// which does no harm to keys that are the node's own.
std::vector<RedisCall::Group> RedisCall::next_groups(const Ways& ways) {
  std::map<RedisAddress, Group> of_node;
  for (const auto& [index, way] : ways) {
    Group& group = of_node[way.node];
    group.node = way.node;
    group.is_asking = group.is_asking || way.is_asking;
    group.indices.push_back(index);
  }
  std::vector<Group> groups;
  for (auto& [node, group] : of_node) groups.push_back(std::move(group));
  return groups;
}

RedisCall::Ways RedisCall::run_round(const Batch& batch, std::vector<Group>& groups) {
  Ways ways;
  std::vector<RedisLane::Task> tasks;
  for (const Group& group : groups) {
    if (!router_.allow(group.node)) {
      counts_.skipped += group.indices.size();
      continue;
    }
    RedisLane::Task& task = tasks.emplace_back(RedisLane::Task{.node = group.node, .exchange = {}});
    task.exchange.count = group.indices.size();
    task.exchange.is_asking = group.is_asking;
    task.exchange.command = [&batch, &group](size_t at) { return batch.command(group.indices[at]); };
    task.exchange.on_reply = [&, this](size_t at, RespValue&& reply) {
      return take_reply(batch, group, group.indices[at], std::move(reply), ways);
    };
  }
  lane_.run(tasks, deadline_);
  for (const RedisLane::Task& task : tasks) settle(task);
  return ways;
}

bool RedisCall::take_reply(const Batch& batch, const Group& group, size_t index, RespValue&& reply,
                           Ways& ways) {
  if (!reply.is(RespValue::Kind::kError)) return batch.on_reply(index, std::move(reply));
  take_error(group.node, index, reply.text, ways);
  return true;
}

void RedisCall::take_error(const RedisAddress& node, size_t index, const std::string& text, Ways& ways) {
  const std::optional<Redirection> way = parse_redirection(text, node);
  if (!way) {
    ++counts_.error_replies;
    failure_ = fmt::format("the remote store {} says: {}", node.text(), printable(text, 200));
    router_.note_refusal(node, failure_);
    // A replica, or a Cluster that lost a part: others may know more.
    if (text.starts_with("CLUSTERDOWN") || text.starts_with("READONLY")) router_.map_is_stale();
    return;
  }
  ++(way->is_asking ? counts_.asked : counts_.moved);
  if (!way->is_asking) router_.slot_moved(way->slot, way->node);
  ways[index] = {.node = way->node, .is_asking = way->is_asking};
}

void RedisCall::settle(const RedisLane::Task& task) {
  counts_.sent_bytes += task.exchange.sent_bytes;
  counts_.received_bytes += task.exchange.received_bytes;
  if (!task.outcome.ok()) failure_ = task.outcome.message;
  switch (task.outcome.kind) {
    case Kind::kOk: break;
    case Kind::kUnreachable:
    case Kind::kRefused: ++counts_.connect_errors; break;
    case Kind::kClosed: ++counts_.closed_errors; break;
    case Kind::kGarbage: ++counts_.garbage_errors; break;
    case Kind::kTimeout: ++counts_.timeouts; break;
    case Kind::kNotAsked:
    case Kind::kNoMemory: break;
  }
  // A node that answered until the time was over is slow, not dead.
  const bool is_slow = task.outcome.kind == Kind::kTimeout && task.exchange.answered_count > 0;
  const bool is_our_own = task.outcome.kind == Kind::kNoMemory || task.outcome.kind == Kind::kNotAsked;
  const Report report = task.outcome.ok() || is_slow ? Report::kAnswered
                        : is_our_own                 ? Report::kNotAsked
                                                     : Report::kFailed;
  router_.report(task.node, report, task.outcome.message);
}

RedisOutcome RedisCall::ask(const RedisAddress& node, std::initializer_list<std::string_view> command,
                            RespValue& reply, Time deadline) {
  if (steady_clock::now() >= deadline_) return {.kind = Kind::kNotAsked, .message = "the time was over"};
  if (!router_.allow(node)) {
    ++counts_.skipped;
    return {.kind = Kind::kNotAsked,
            .message =
                fmt::format("the remote store {} failed lately and is not asked for a while", node.text())};
  }
  std::vector<RedisLane::Task> tasks(1);
  RedisLane::Task& task = tasks.front();
  task.node = node;
  task.exchange.count = 1;
  task.exchange.command = [&](size_t) {
    RedisCommand made;
    append_resp_command(made.head, command);
    return made;
  };
  task.exchange.on_reply = [&](size_t, RespValue&& value) {
    reply = std::move(value);
    return true;
  };
  lane_.run(tasks, std::min(deadline, deadline_));
  settle(task);
  return task.outcome;
}

void RedisCall::refresh_map() {
  if (!router_.begin_map()) return;
  for (const RedisAddress& node : router_.nodes_to_ask()) {
    if (steady_clock::now() >= deadline_) return;
    const MapAnswer answer = load_map(node);
    if (answer == MapAnswer::kMap) return;
    if (answer == MapAnswer::kNone) {
      ++counts_.error_replies;
      failure_ = fmt::format("the remote store {} has no map of a Cluster", node.text());
      router_.note_refusal(node, failure_);
    }
  }
}

void RedisCall::find_all_nodes() {
  if (!router_.is_alone()) return refresh_map();
  static_cast<void>(load_map(router_.nodes_to_ask().front()));  // no map: it is the only one
}

RedisCall::MapAnswer RedisCall::load_map(const RedisAddress& node) {
  RespValue reply;
  if (!ask(node, {"CLUSTER", "SLOTS"}, reply, steady_clock::now() + map_deadline_).ok()) {
    return MapAnswer::kSilence;
  }
  Result<RedisSlots> slots = RedisSlots::from_reply(reply, node);
  if (!slots.ok() || slots->nodes().empty()) return MapAnswer::kNone;
  ++counts_.map_loads;
  lane_.keep_only(slots->nodes());
  router_.set_map(*std::move(slots));
  return MapAnswer::kMap;
}

}  // namespace cairn
