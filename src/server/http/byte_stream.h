// ByteStream: a TCP connection, plain or under TLS, as a connection's coroutine sees it. For the .cc files of this
// folder: brings in Asio.
//
// Always true: its functions run on the strand that the socket was made with; at most one read and one write are under
// way at a time; nothing throws.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>

#include "server/http/tls.h"

namespace cairn {

class ByteStream {
 public:
  using ErrorCode = boost::system::error_code;
  using Read = std::function<void(ErrorCode, size_t)>;

  struct Arrived {
    ErrorCode error;
    size_t bytes = 0;
  };

  virtual ~ByteStream() = default;

  virtual boost::asio::awaitable<ErrorCode> handshake() = 0;
  // The same as read_some() for one who waits: an error where the connection has ended or failed.
  virtual boost::asio::awaitable<Arrived> read(boost::asio::mutable_buffer buffer) = 0;
  // Calls `done` later, never from within.
  virtual void read_some(boost::asio::mutable_buffer buffer, Read done) = 0;
  // All of it, or an error.
  virtual boost::asio::awaitable<ErrorCode> write(boost::asio::const_buffer bytes) = 0;
  // Tells the other side that nothing more will be written. `keep_alive` is held until that is said.
  virtual void say_goodbye(std::shared_ptr<void> keep_alive) = 0;
  // At once, both directions; what is under way ends with an error.
  virtual void close() = 0;
};

std::unique_ptr<ByteStream> plain_stream(boost::asio::ip::tcp::socket socket);
std::unique_ptr<ByteStream> tls_stream(boost::asio::ip::tcp::socket socket, TlsContext context);
// The client's end: checks that the server's certificate is for `host`.
Result<std::unique_ptr<ByteStream>> tls_client_stream(boost::asio::ip::tcp::socket socket, TlsContext context,
                                                      const std::string& host);

}  // namespace cairn
