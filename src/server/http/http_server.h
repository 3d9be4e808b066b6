// HttpServer: HTTP/1.1 (and 1.0) over TCP or TLS, on a few threads of its own, with limits on everything.
//
// Requests of one connection are handled one after the other, pipelined ones too; a connection's next request is read
// only when the reply to the one before is sent. What a hostile client sends is refused by the server itself, with a
// reply whose body is a short JSON object ({"error": {...}}) and with the connection closed: bad syntax 400, slow heads
// and bodies 408, large bodies 413, large heads 431, more connections or bytes than the limits allow 503.
//
// Any thread may call, but start() is called once and the destructor last. A thread of the server (a handler) must not call stop().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "server/http/exchange.h"

namespace cairn {

// Certificate and key, each a PEM file; the certificate's file holds its chain too.
struct HttpTlsFiles {
  std::string certificate;
  std::string key;
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";   // an address or a name; "0.0.0.0" or "::" for all
  uint16_t port = 8080;             // 0: any that is free
  std::optional<HttpTlsFiles> tls;  // absent: plain HTTP
  int thread_count = 2;             // they only move bytes

  size_t header_bytes_max = 32 << 10;       // request line and headers: 431; 48 KiB at most
  size_t body_bytes_max = 16 << 20;         // of one request: 413
  size_t all_bodies_bytes_max = 256 << 20;  // of all requests that are read or not yet answered: 503
  size_t unsent_bytes_max = 1 << 20;        // of a stream whose client does not read: it is dropped
  size_t connections_max = 1024;            // more: 503
  std::chrono::milliseconds header_timeout{
      10'000};  // first byte (first request: the connection) to the head's end
  std::chrono::milliseconds body_timeout{60'000};   // head's end to body's end
  std::chrono::milliseconds idle_timeout{75'000};   // between requests
  std::chrono::milliseconds write_timeout{30'000};  // for 64 KiB to be taken by the client
  std::chrono::milliseconds linger_timeout{
      2'000};  // to let a refused client read why, before its connection is closed
};

class HttpServer {
 public:
  // Listening when it returns. An error names the option (`host`, `port`, `certificate`) or the file that is at fault.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler& handler);
  // stop() without grace.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] uint16_t port() const;
  // "http://127.0.0.1:8080", with the port that was taken.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] size_t connection_count() const;
  [[nodiscard]] uint64_t accepted_count() const;  // connections since the start

  // Reads the files again, for connections from now on. On an error the old ones stay in use. Without TLS: does nothing.
  Status reload_certificate();

  // New connections are refused by the system from now on; replies ask their clients to close.
  void stop_accepting();
  // Also closes connections without a request at once; the others when their reply is sent, or `grace` is over.
  // Returns when all are closed, within grace + 1 s. Handlers are not called afterwards; exchanges that they still
  // hold are gone. A second call does nothing.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
