// HttpExchange: one request and the reply to it. HttpHandler: what answers requests.
//
// An exchange is answered once: by reply(), or by begin_stream(), any number of send() and end_stream(). One that is
// dropped (its last shared_ptr) before its reply has begun answers 500; one dropped amid a stream closes its connection,
// so that the client sees that the stream was cut.
//
// A client is gone when its connection fails or when it has closed its sending side: a client that still wants
// its reply keeps that side open (all usual clients do).
//
// Every function of an exchange may be called from any thread; none blocks, and none calls back but when_gone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.h"

namespace cairn {

class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  // Stays as it is for as long as the exchange lives.
  [[nodiscard]] virtual const HttpRequest& request() const = 0;

  // The whole reply. After the first reply() or begin_stream(), does nothing.
  virtual void reply(HttpReply reply) = 0;

  // Status and headers; a body in parts follows (head.body is ignored).
  virtual void begin_stream(HttpReply head) = 0;
  // The next part of the stream's body. False: the client is gone, or it has not read for so long that more than
  // HttpServerOptions::unsent_bytes_max would wait for it (then its connection is dropped). One part may be larger
  // than that, where nothing else waits. False too where no stream is open.
  virtual bool send(std::string bytes) = 0;
  virtual void end_stream() = 0;

  // `call` runs once if the client goes away before all of the reply has been sent: on a thread of the server, or at
  // once on this one where it already has. It must not block, and must not own the exchange (a dropped one could not be noticed).
  // A second call of when_gone replaces the first's. Destroyed, without having run, once the reply is complete.
  virtual void when_gone(std::function<void()> call) = 0;
  [[nodiscard]] virtual bool is_gone() const = 0;

  // Bytes of the reply that still wait for the client to read.
  [[nodiscard]] virtual size_t unsent_bytes() const = 0;
};

// Called by the server's threads, for several connections at once; neither function may block for long. Must outlive
// the server, or at least its stop(). What it throws is answered with 500.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // After a request's head, before any of its body is read: a reply refuses the request, and closes the connection
  // where a body was announced. This is the place for keys, unknown paths, rate limits and limits of a body's size
  // (Content-Length). A client that sent "Expect: 100-continue" is told to go on only where there is no reply here.
  virtual std::optional<HttpReply> at_the_door(const HttpHead& head) = 0;
  virtual void handle(std::shared_ptr<HttpExchange> exchange) = 0;
  // The server itself refuses what came on a connection from `peer`: bad syntax, more than its limits allow, too late.
  virtual void note_refusal(std::string_view peer, int status, std::string_view why) = 0;
};

}  // namespace cairn
