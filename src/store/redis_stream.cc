#include "store/redis_stream.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <tuple>
#include <utility>

#include "base/printable.h"

namespace cairn {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using ErrorCode = RedisStream::ErrorCode;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace

Result<RedisTls> make_redis_tls(RedisTrust trust, const std::optional<std::string>& certificates) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  ErrorCode error;
  if (trust == RedisTrust::kAnyCertificate) {
    context->set_verify_mode(ssl::verify_none, error);
    return context;
  }
  context->set_verify_mode(ssl::verify_peer, error);
  if (certificates) {
    context->load_verify_file(*certificates, error);
  } else {
    context->set_default_verify_paths(error);
  }
  ERR_clear_error();  // OpenSSL keeps errors for each thread; the next call would find them
  if (!error) return context;
  return invalid_data(fmt::format(
      "the remote store's certificates in {} cannot be used ({}): name a file with certificates in PEM form",
      certificates ? printable_path(*certificates) : "the system's folder", error.message()));
}

RedisStream::RedisStream(asio::io_context& io, RedisTls tls) : tls_(std::move(tls)), plain_(io) {
  if (tls_) secure_.emplace(io, *tls_);
}

asio::awaitable<ErrorCode> RedisStream::connect(const std::vector<tcp::endpoint>& endpoints) {
  auto result = co_await asio::async_connect(socket(), endpoints, kAwait);
  ErrorCode error = std::get<0>(result);
  ErrorCode ignored;
  if (!error) socket().set_option(tcp::no_delay(true), ignored);
  co_return error;
}

asio::awaitable<ErrorCode> RedisStream::handshake(const std::string& host) {
  if (!secure_) co_return ErrorCode();
  ErrorCode error;
  (void)asio::ip::make_address(host, error);
  const bool is_name = static_cast<bool>(error);
  if (is_name && SSL_set_tlsext_host_name(secure_->native_handle(), host.c_str()) != 1) {
    co_return asio::error::make_error_code(asio::error::invalid_argument);
  }
  secure_->set_verify_callback(ssl::host_name_verification(host), error);
  if (error) co_return error;
  auto result = co_await secure_->async_handshake(ssl::stream_base::client, kAwait);
  co_return std::get<0>(result);
}

asio::awaitable<RedisStream::Arrived> RedisStream::read(asio::mutable_buffer buffer) {
  if (secure_) {
    auto [error, byte_count] = co_await secure_->async_read_some(buffer, kAwait);
    co_return Arrived{.error = error, .byte_count = byte_count};
  }
  auto [error, byte_count] = co_await plain_.async_read_some(buffer, kAwait);
  co_return Arrived{.error = error, .byte_count = byte_count};
}

asio::awaitable<ErrorCode> RedisStream::write(const std::vector<asio::const_buffer>& buffers) {
  if (secure_) {
    auto result = co_await asio::async_write(*secure_, buffers, kAwait);
    co_return std::get<0>(result);
  }
  auto result = co_await asio::async_write(plain_, buffers, kAwait);
  co_return std::get<0>(result);
}

void RedisStream::close() {
  ErrorCode ignored;
  socket().close(ignored);
}

bool RedisStream::is_quiet() {
  char byte = 0;
  const ssize_t count = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
  return count > 0 && secure_.has_value();  // TLS has messages of its own
}

}  // namespace cairn
