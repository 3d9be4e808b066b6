// For tests of the server: one that runs over a real model on a free port, and a client's words in one line.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/open_engine.h"
#include "server/http/http_testing.h"
#include "server/server.h"

namespace cairn {

// The demo model, loaded once for all tests of the program.
const LoadedModel& demo_model();

struct ServedTestOptions {
  int64_t max_sequences = 8;
  int64_t context = 1024;
  std::optional<uint64_t> pool_bytes = {};
  int64_t texts_max = 1040;
  std::string keys = {};           // the content of a keys file; empty: nobody needs one
  std::string chat_template = {};  // Jinja; empty: plain lines
  TenantSharing sharing = TenantSharing::kWithinTenant;
  LogPrompts log_prompts = LogPrompts::kLeftOut;
  HttpServerOptions http = small_limits();
  BrowserGuardOptions guard = {};
};

class ServedTest {
 public:
  explicit ServedTest(ServedTestOptions options = {});
  ~ServedTest();

  [[nodiscard]] Server& server() { return *server_; }
  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] std::vector<std::string> log_lines();
  void forget_log_lines();

  // A whole exchange on a connection of its own: head and body of the reply.
  [[nodiscard]] std::string ask(std::string_view method, std::string_view path, std::string_view body = {},
                                std::string_view key = {}, std::string_view more_headers = {}) const;
  // The same for a JSON reply with this status; the test fails on another.
  [[nodiscard]] boost::json::value json(std::string_view method, std::string_view path,
                                        std::string_view body = {}, std::string_view key = {},
                                        int status = 200) const;
  // The data of each event of a stream.
  [[nodiscard]] std::vector<std::string> events(std::string_view path, std::string_view body,
                                                std::string_view key = {}) const;
  // What /metrics says at this moment: the sum of the metric's series that have this label (outcome="stop"), or of all.
  // The test fails where there is none. With keys it needs one that may read them.
  [[nodiscard]] double metric(std::string_view name, std::string_view label = {},
                              std::string_view key = {}) const;
  // Waits, for minutes if need be, until no text runs or waits and so many requests are over. False: they never were.
  [[nodiscard]] bool comes_to_rest(double requests, std::string_view key = {}) const;

  // What a POST of this body sends, for a RawClient.
  [[nodiscard]] static std::string post(std::string_view path, std::string_view body,
                                        std::string_view key = {}, std::string_view more_headers = {});

 private:
  std::mutex lines_mutex_;
  std::vector<std::string> lines_;
  SteadyClock clock_;
  std::unique_ptr<Server> server_;
};

// A chat template by which even the demo model calls tools, if it must.
[[nodiscard]] std::string tools_template();

// A keys file's line for this key.
[[nodiscard]] std::string test_key_line(std::string_view name, std::string_view key,
                                        std::string_view settings = {});

}  // namespace cairn
