// Test support: a client that writes raw bytes, and a handler made of functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/http_server.h"

namespace cairn {

// A blocking socket. Its functions give up after `patience`, which no passing test needs.
class RawClient {
 public:
  explicit RawClient(uint16_t port, const char* address = "127.0.0.1");
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient(RawClient&& other) noexcept;

  [[nodiscard]] bool is_connected() const { return fd_ >= 0; }
  // False where the server has closed its side (or does not read).
  bool send(std::string_view bytes) const;
  // Whatever arrives, until it holds `end`, or the connection ends.
  std::string read_until(std::string_view end);
  std::string read_all();
  // A reply with Content-Length: head and body.
  std::string read_reply();
  // Whether the server ends the connection within this time; what arrives until then is lost.
  [[nodiscard]] bool is_closed_within(std::chrono::milliseconds time) const;
  void set_receive_buffer(int bytes) const;
  void shut_down_sending() const;
  void reset();  // closes with RST
  void close();

 private:
  int fd_ = -1;
  std::string arrived_;
};

// "HTTP/1.1 200 ..." -> 200; 0 for anything else.
[[nodiscard]] int status_of(std::string_view reply);
[[nodiscard]] std::string body_of(std::string_view reply);
// The body of a chunked reply; nullopt where its last chunk is missing.
[[nodiscard]] std::optional<std::string> unchunked(std::string_view body);

class FunctionHandler : public HttpHandler {
 public:
  using Door = std::function<std::optional<HttpReply>(const HttpHead&)>;
  using Handle = std::function<void(std::shared_ptr<HttpExchange>)>;
  explicit FunctionHandler(Handle handle, Door door = nullptr)
      : handle_(std::move(handle)), door_(std::move(door)) {}
  void note_refusal(std::string_view, int, std::string_view) override {}
  std::optional<HttpReply> at_the_door(const HttpHead& head) override {
    return door_ ? door_(head) : std::nullopt;
  }
  void handle(std::shared_ptr<HttpExchange> exchange) override { handle_(std::move(exchange)); }

 private:
  Handle handle_;
  Door door_;
};

// A server at a free port whose limits are small, so that tests are quick. ECHO: replies with method, path, query and body.
[[nodiscard]] HttpServerOptions small_limits();
[[nodiscard]] std::unique_ptr<HttpServer> started(HttpServerOptions options, HttpHandler& handler);
[[nodiscard]] HttpReply text_reply(std::string text, int status = 200);
void echo(const std::shared_ptr<HttpExchange>& exchange);

// Waits, for two seconds at most, until `holds` does.
[[nodiscard]] bool becomes_true(const std::function<bool()>& holds);

}  // namespace cairn
