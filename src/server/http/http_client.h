// A small HTTP/1.1 client: whole replies for one who waits, and many streams at once on one thread.
//
// Each request has a connection of its own. Certificates are checked. Errors are one sentence that names the server
// and what to do. A reply of any status is a reply, not an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "server/http/message.h"

namespace cairn {

struct HttpUrl {
  bool is_secure = false;
  std::string host;  // without brackets
  uint16_t port = 80;
  std::string path;  // of the URL, without a '/' at its end; often empty

  // "http://127.0.0.1:8080/base"; without a scheme it is http.
  static Result<HttpUrl> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
};

struct HttpClientOptions {
  std::chrono::milliseconds connect_timeout{10'000};   // name, connection and handshake
  std::chrono::milliseconds silence_timeout{600'000};  // between two reads: a long prompt may wait in a queue
  size_t body_bytes_max = 64 << 20;                    // of fetch_whole()
  std::optional<std::string> trusted_certificates;     // a PEM file; absent: the system's
};

struct HttpClientRequest {
  std::string method = "GET";
  std::string target = "/";  // behind the URL's own path; with the query
  std::vector<HttpHeader> headers;
  std::string body;
};

struct HttpClientReply {
  int status = 0;
  std::vector<HttpHeader> headers;
  std::string body;
};

// What becomes of one request, in this order; all run within HttpClient::run().
struct HttpFetchEvents {
  std::function<void(int status, const std::vector<HttpHeader>& headers)> on_head;  // may be empty
  std::function<void(std::string_view bytes)> on_data;                              // may be empty
  std::function<void(const Status& status)> on_end;  // last, once; OK: the reply is complete
};

// One thread at a time.
class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> create(HttpUrl url, HttpClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Begins a request; the rest happens in run(). May be called by events.
  void fetch(const HttpClientRequest& request, HttpFetchEvents events);
  // `call` runs within run(), not before `time`.
  void call_at(std::chrono::steady_clock::time_point time, std::function<void()> call);
  // Until all requests have ended and all calls have run.
  void run();
  // Ends all requests (their on_end gets a Status) and forgets all calls. May be called by events.
  void cancel_all();

  // One request, with its whole reply.
  Result<HttpClientReply> fetch_whole(const HttpClientRequest& request);

 private:
  class Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
