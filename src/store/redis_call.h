// RedisCall: commands of one key each, sent to the nodes that have the keys, all nodes at once, and on to other nodes
// where a Cluster says so, within one deadline. For the .cc files of this folder: brings in Asio.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "store/redis_counts.h"
#include "store/redis_lane.h"
#include "store/redis_router.h"
#include "store/resp.h"

namespace cairn {

class RedisCall {
 public:
  using Time = std::chrono::steady_clock::time_point;

  RedisCall(RedisLane& lane, RedisRouter& router, Time deadline, std::chrono::milliseconds map_deadline);

  struct Batch {
    std::span<const std::string> keys;
    std::function<RedisCommand(size_t index)> command;
    // Of each key at most once, in any order; never an error. False: no reply to such a command.
    std::function<bool(size_t index, RespValue&& reply)> on_reply;
  };
  // What is not answered at the end has failed.
  void run(const Batch& batch);

  // One command to one node. kNotAsked where its breaker is open.
  RedisOutcome ask(const RedisAddress& node, std::initializer_list<std::string_view> command,
                   RespValue& reply, Time deadline);

  // Loads the map of slots where that is due.
  void refresh_map();
  // The same for who means every node: a single one may be one of a Cluster's, and is asked.
  void find_all_nodes();

  [[nodiscard]] const RedisCounts& counts() const { return counts_; }
  // The last failure, as a sentence; empty: none.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  enum class MapAnswer { kMap, kNone, kSilence };
  MapAnswer load_map(const RedisAddress& node);
  struct Group {  // of keys that go to one node in one round
    RedisAddress node;
    bool is_asking = false;
    std::vector<size_t> indices;
  };
  struct Way {  // of a key whose node named another one
    RedisAddress node;
    bool is_asking = false;
  };
  using Ways = std::map<size_t, Way>;

  std::vector<Group> first_groups(const Batch& batch);
  static std::vector<Group> next_groups(const Ways& ways);
  Ways run_round(const Batch& batch, std::vector<Group>& groups);
  bool take_reply(const Batch& batch, const Group& group, size_t index, RespValue&& reply, Ways& ways);
  void take_error(const RedisAddress& node, size_t index, const std::string& text, Ways& ways);
  void settle(const RedisLane::Task& task);

  RedisLane& lane_;
  RedisRouter& router_;
  const Time deadline_;
  const std::chrono::milliseconds map_deadline_;
  RedisCounts counts_;
  std::string failure_;
};

}  // namespace cairn
