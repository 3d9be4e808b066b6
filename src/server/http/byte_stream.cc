#include "server/http/byte_stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <tuple>
#include <utility>

namespace cairn {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = ByteStream::ErrorCode;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

void close_socket(tcp::socket& socket) {
  ErrorCode ignored;
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  asio::awaitable<ErrorCode> handshake() override { co_return ErrorCode(); }

  void read_some(asio::mutable_buffer buffer, Read done) override {
    socket_.async_read_some(buffer, std::move(done));
  }

  asio::awaitable<Arrived> read(asio::mutable_buffer buffer) override {
    auto [error, bytes] = co_await socket_.async_read_some(buffer, kAwait);
    co_return Arrived{.error = error, .bytes = bytes};
  }

  asio::awaitable<ErrorCode> write(asio::const_buffer bytes) override {
    auto result = co_await asio::async_write(socket_, bytes, kAwait);
    co_return std::get<0>(result);
  }

  void say_goodbye(std::shared_ptr<void>) override {
    ErrorCode ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void close() override { close_socket(socket_); }

 private:
  tcp::socket socket_;
};

class TlsStream final : public ByteStream {
 public:
  using Role = asio::ssl::stream_base::handshake_type;
  TlsStream(tcp::socket socket, TlsContext context, Role role)
      : context_(std::move(context)), role_(role), stream_(std::move(socket), *context_) {}

  Status expect_host(const std::string& host) {
    ErrorCode ec;
    (void)asio::ip::make_address(host, ec);
    const bool is_name = static_cast<bool>(ec);
    if (is_name && SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str()) != 1) {
      return invalid_argument("the server's name is too long for TLS");
    }
    stream_.set_verify_callback(asio::ssl::host_name_verification(host), ec);
    return ec ? internal_error("the server's name cannot be checked: " + ec.message()) : Status();
  }

  asio::awaitable<ErrorCode> handshake() override {
    auto result = co_await stream_.async_handshake(role_, kAwait);
    co_return std::get<0>(result);
  }

  void read_some(asio::mutable_buffer buffer, Read done) override {
    stream_.async_read_some(buffer, std::move(done));
  }

  asio::awaitable<Arrived> read(asio::mutable_buffer buffer) override {
    auto [error, bytes] = co_await stream_.async_read_some(buffer, kAwait);
    co_return Arrived{.error = error, .bytes = bytes};
  }

  asio::awaitable<ErrorCode> write(asio::const_buffer bytes) override {
    auto result = co_await asio::async_write(stream_, bytes, kAwait);
    co_return std::get<0>(result);
  }

  // The alert goes out at once; the call ends when the peer's comes, or by close().
  void say_goodbye(std::shared_ptr<void> keep_alive) override {
    stream_.async_shutdown([keep_alive = std::move(keep_alive)](ErrorCode) {});
  }

  void close() override { close_socket(stream_.next_layer()); }

 private:
  TlsContext context_;
  Role role_;
  asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

std::unique_ptr<ByteStream> plain_stream(tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

std::unique_ptr<ByteStream> tls_stream(tcp::socket socket, TlsContext context) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(context), asio::ssl::stream_base::server);
}

Result<std::unique_ptr<ByteStream>> tls_client_stream(tcp::socket socket, TlsContext context,
                                                      const std::string& host) {
  auto stream =
      std::make_unique<TlsStream>(std::move(socket), std::move(context), asio::ssl::stream_base::client);
  CAIRN_RETURN_IF_ERROR(stream->expect_host(host));
  return std::unique_ptr<ByteStream>(std::move(stream));
}

}  // namespace cairn
