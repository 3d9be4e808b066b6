// RedisStream: a TCP connection to a store, plain or under TLS. For the .cc files of this folder: brings in Asio.
//
// Always true: its functions run on the thread that runs its io_context; at most one is under way, but close(), which
// ends that one with an error; what is connected is never connected again.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "store/redis_options.h"

namespace cairn {

using RedisTls = std::shared_ptr<boost::asio::ssl::context>;

// TLS 1.2 and later, trusting the system's certificates or those of one PEM file. An error names the file.
Result<RedisTls> make_redis_tls(RedisTrust trust, const std::optional<std::string>& certificates);

class RedisStream {
 public:
  using ErrorCode = boost::system::error_code;
  struct Arrived {
    ErrorCode error;
    size_t byte_count = 0;
  };

  // `tls`: null for a plain connection.
  RedisStream(boost::asio::io_context& io, RedisTls tls);

  boost::asio::awaitable<ErrorCode> connect(const std::vector<boost::asio::ip::tcp::endpoint>& endpoints);
  // Does nothing without TLS.
  boost::asio::awaitable<ErrorCode> handshake(const std::string& host);
  boost::asio::awaitable<Arrived> read(boost::asio::mutable_buffer buffer);
  boost::asio::awaitable<ErrorCode> write(const std::vector<boost::asio::const_buffer>& buffers);
  void close();

  // Whether nothing came since the last read: neither its end nor a byte that nobody asked for.
  [[nodiscard]] bool is_quiet();

 private:
  boost::asio::ip::tcp::socket& socket() { return secure_ ? secure_->next_layer() : plain_; }

  RedisTls tls_;
  boost::asio::ip::tcp::socket plain_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket>> secure_;
};

}  // namespace cairn
