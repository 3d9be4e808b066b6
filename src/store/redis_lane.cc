#include "store/redis_lane.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

namespace cairn {
namespace {

namespace asio = boost::asio;
using Kind = RedisOutcome::Kind;

}  // namespace

RedisLane::RedisLane(std::shared_ptr<const RedisLogin> login, RedisResolver& resolver, size_t depth)
    : login_(std::move(login)), resolver_(resolver), depth_(depth) {}

void RedisLane::run(std::span<Task> tasks, std::chrono::steady_clock::time_point deadline) {
  size_t running_count = tasks.size();
  for (Task& task : tasks) {
    task.outcome = {.kind = Kind::kTimeout,
                    .message = fmt::format("the remote store {} did not answer in time", task.node.text())};
    asio::co_spawn(io_, run_task(task), [this, &task, &running_count](const std::exception_ptr& error) {
      --running_count;
      if (error)
        task.outcome = {.kind = Kind::kNoMemory,
                        .message = "there is no memory for the remote store's reply"};
      if (!task.outcome.ok()) connections_.erase(task.node);
    });
  }
  is_over_ = false;
  io_.restart();
  while (running_count > 0 && io_.run_one_until(deadline) > 0) {
  }
  if (running_count > 0) drain(tasks);
}

// Ends what is still under way: those tasks keep the outcome that they began with.
void RedisLane::drain(std::span<Task> tasks) {
  is_over_ = true;  // nothing begins any more
  for (Task& task : tasks) {
    if (task.outcome.kind != Kind::kTimeout) continue;
    const auto found = connections_.find(task.node);
    if (found != connections_.end()) found->second->close();
  }
  io_.restart();
  io_.run();
}

void RedisLane::keep_only(std::span<const RedisAddress> nodes) {
  std::erase_if(connections_, [&](const auto& entry) {
    return std::find(nodes.begin(), nodes.end(), entry.first) == nodes.end();
  });
}

asio::awaitable<void> RedisLane::run_task(Task& task) {
  if (is_over_) co_return;
  const auto found = connections_.find(task.node);
  if (found != connections_.end() && found->second->is_quiet()) {
    const Connection connection = found->second;
    const RedisOutcome outcome = co_await connection->exchange(task.exchange, depth_);
    // A node may have closed an idle connection; where nothing of a reply had come, it is asked once more.
    const bool is_idle_end = outcome.kind == Kind::kClosed && task.exchange.received_bytes == 0;
    if (!is_idle_end || connection->is_closed()) {
      if (!connection->is_closed()) task.outcome = outcome;
      co_return;
    }
  }
  co_await run_fresh(task);
}

asio::awaitable<void> RedisLane::run_fresh(Task& task) {
  const auto connection = std::make_shared<RedisConnection>(io_, login_, task.node, resolver_);
  connections_[task.node] = connection;
  RedisOutcome outcome = co_await connection->open();
  if (outcome.ok()) outcome = co_await connection->exchange(task.exchange, depth_);
  if (!connection->is_closed() || outcome.kind == Kind::kTimeout) task.outcome = outcome;
}

}  // namespace cairn
