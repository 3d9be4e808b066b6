// RedisLane: a thread's own connections to the nodes of a store, at most one to each, on which several nodes are asked at
// once within one deadline. For the .cc files of this folder: brings in Asio. One thread at a time.
//
// Always true: when run() returns nothing is under way, and every connection that is kept has answered all that it was
// asked.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "store/redis_connection.h"

namespace cairn {

class RedisLane {
 public:
  RedisLane(std::shared_ptr<const RedisLogin> login, RedisResolver& resolver, size_t depth);

  struct Task {
    RedisAddress node;
    RedisExchange exchange;
    RedisOutcome outcome{};  // of the run
  };
  // Does all tasks, each of another node, until the deadline at the latest. Where it throws (no memory), the lane is not
  // usable any more.
  void run(std::span<Task> tasks, std::chrono::steady_clock::time_point deadline);

  // Closes the connections to all other nodes.
  void keep_only(std::span<const RedisAddress> nodes);

 private:
  using Connection = std::shared_ptr<RedisConnection>;
  boost::asio::awaitable<void> run_task(Task& task);
  boost::asio::awaitable<void> run_fresh(Task& task);
  void drain(std::span<Task> tasks);

  const std::shared_ptr<const RedisLogin> login_;
  RedisResolver& resolver_;
  const size_t depth_;
  bool is_over_ = false;  // the deadline has passed
  boost::asio::io_context io_{1};
  std::map<RedisAddress, Connection> connections_;
};

}  // namespace cairn
