// RedisResolver: host names to IP addresses, on a thread of its own, so that who waits for a name can stop waiting: the
// system's look-up has no deadline. Any thread may call it. Its destructor waits for a look-up that is under way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace cairn {

class RedisResolver {
 public:
  RedisResolver() = default;
  ~RedisResolver();
  RedisResolver(const RedisResolver&) = delete;
  RedisResolver& operator=(const RedisResolver&) = delete;

  // IP addresses in text form, none if the name is not known; nothing while it is being looked up: ask again soon.
  // What is known is looked up anew when it is half a minute old, what is not known after a second.
  [[nodiscard]] std::optional<std::vector<std::string>> find(const std::string& host);

 private:
  struct Entry {
    bool is_pending = true;
    std::vector<std::string> addresses;
    std::chrono::steady_clock::time_point expires_at;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;  // at most kEntriesMax
  std::deque<std::string> wanted_;
  bool is_stopping_ = false;
  std::thread thread_;  // from the first name on that is no address
};

}  // namespace cairn
