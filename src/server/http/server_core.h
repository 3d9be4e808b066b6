// ServerCore: what all connections of one HttpServer share. Outlives them. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/http/body_budget.h"
#include "server/http/http_server.h"

namespace cairn {

class Connection;

// The connections that are open.
class ConnectionList {
 public:
  void add(std::shared_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    connections_.insert(std::move(connection));
    ++accepted_count_;
  }
  void remove(const std::shared_ptr<Connection>& connection) {
    const std::lock_guard lock(mutex_);
    connections_.erase(connection);
    if (connections_.empty()) is_empty_.notify_all();
  }
  [[nodiscard]] size_t size() const {
    const std::lock_guard lock(mutex_);
    return connections_.size();
  }
  [[nodiscard]] uint64_t accepted_count() const {
    const std::lock_guard lock(mutex_);
    return accepted_count_;
  }
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> all() const {
    const std::lock_guard lock(mutex_);
    return {connections_.begin(), connections_.end()};
  }
  void wait_until_empty(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    is_empty_.wait_for(lock, at_most, [this] { return connections_.empty(); });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable is_empty_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  uint64_t accepted_count_ = 0;
};

struct ServerCore {
  ServerCore(HttpServerOptions server_options, HttpHandler& server_handler)
      : options(std::move(server_options)),
        handler(server_handler),
        budget(std::make_shared<BodyBudget>(options.all_bodies_bytes_max)) {}

  const HttpServerOptions options;
  HttpHandler& handler;
  const std::shared_ptr<BodyBudget> budget;
  ConnectionList connections;
  std::atomic<bool> is_stopping{false};  // replies close their connections, idle ones are closed
};

}  // namespace cairn
