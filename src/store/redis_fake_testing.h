// Test support: a server that answers whatever a test likes, on a free port of this machine, in threads of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cairn {

class FakeRedis {
 public:
  // What to answer to the bytes that came in one piece; nothing: close the connection. Runs in the server's threads.
  using Answer = std::function<std::optional<std::string>(std::string_view received)>;
  explicit FakeRedis(Answer answer);
  ~FakeRedis();
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int connection_count() const { return connection_count_; }

 private:
  void accept_all();
  void serve(int fd);

  Answer answer_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connection_count_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;  // closed only at the end, so that no number is used twice
  std::vector<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace cairn
