// Test support: real redis-server processes, in folders of their own and on free ports. They are killed with their object,
// and by the system should the test die first. Debian's package redis-server has the program.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "store/resp.h"

namespace cairn {

// A test that needs a server begins with this.
#define CAIRN_NEEDS_REDIS()  \
  if (!redis_is_installed()) \
  GTEST_SKIP() << "redis-server is not installed, so nothing is tried on a real one"
[[nodiscard]] bool redis_is_installed();

// A TCP port that nobody listens on just now.
[[nodiscard]] uint16_t free_port();

class RedisServer {
 public:
  // `options`: command line options, as in {"--maxmemory", "8mb"}. In them %PORT and %FOLDER stand for the server's.
  explicit RedisServer(std::vector<std::string> options = {}, std::string password = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  // Asks over a plain connection of its own; a value of kind kNull where there is no answer within ten seconds.
  RespValue ask(std::initializer_list<std::string_view> command) const;

  void kill();
  void start();               // again, on the same port; empty
  void stop_running() const;  // SIGSTOP: connections are taken by the system and nothing answers
  void go_on() const;

 private:
  bool try_start();

  TemporaryFolder folder_;
  std::vector<std::string> options_;
  std::string password_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// Three masters that know each other and share all slots; a dead one costs only its slots.
class RedisClusterOfThree {
 public:
  RedisClusterOfThree();
  [[nodiscard]] RedisServer& node(size_t index) { return *nodes_[index]; }
  [[nodiscard]] std::vector<std::string> urls() const;
  // Which node has a slot at the start.
  [[nodiscard]] static size_t node_of(uint16_t slot);
  [[nodiscard]] std::string id_of(size_t index) const;

 private:
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

// 32 bytes that no other number has, as a name.
[[nodiscard]] std::string redis_test_name(int number);
// Bytes that only this number has.
[[nodiscard]] std::vector<std::byte> redis_test_bytes(int number, size_t byte_count);

}  // namespace cairn
