#include "server/http/http_server.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/connection.h"
#include "server/http/listener.h"
#include "server/http/server_core.h"

namespace cairn {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr size_t kHeaderBytesMost = 48 << 10;  // what a connection's input holds besides one read
constexpr size_t kRefusalsMax = 64;  // connections beyond the limit that are told so; more are closed
constexpr std::chrono::milliseconds kAcceptPause{100};  // after a failure: no file handles are left, say
constexpr std::chrono::milliseconds kClosingTime{
    900};  // for connections to be closed by force: it needs no client

Status check(const HttpServerOptions& options) {
  if (options.thread_count < 1) return invalid_argument("the HTTP server needs at least one thread");
  if (options.header_bytes_max < 256 || options.header_bytes_max > kHeaderBytesMost) {
    return invalid_argument(
        fmt::format("the largest head of a request must be 256 to {} bytes", kHeaderBytesMost));
  }
  if (options.connections_max < 1) return invalid_argument("the HTTP server needs at least one connection");
  return {};
}

// Signals are for the program's own threads, which decide what a signal means.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpServerOptions options, HttpHandler& handler)
      : core_(std::move(options), handler),
        strand_(asio::make_strand(io_)),
        acceptor_(strand_),
        pause_(strand_) {}
  ~Impl() { stop(std::chrono::milliseconds(0)); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start();
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return (core_.options.tls ? "https://" : "http://") + host_and_port(core_.options.host, port_);
  }
  [[nodiscard]] size_t connection_count() const { return core_.connections.size(); }
  [[nodiscard]] uint64_t accepted_count() const { return core_.connections.accepted_count(); }
  Status reload_certificate();
  void stop_accepting();
  void stop(std::chrono::milliseconds grace);

 private:
  asio::awaitable<void> accept_all();
  void welcome(tcp::socket socket);
  void run_thread();
  std::unique_ptr<ByteStream> stream_of(tcp::socket socket);

  ServerCore core_;
  asio::io_context io_;
  asio::any_io_executor strand_;  // the acceptor's
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  uint16_t port_ = 0;
  std::mutex tls_mutex_;
  TlsContext tls_;
  std::mutex stop_mutex_;
  std::vector<std::thread> threads_;  // empty again once stopped
};

Status HttpServer::Impl::start() {
  CAIRN_RETURN_IF_ERROR(check(core_.options));
  if (core_.options.tls) {
    CAIRN_ASSIGN_OR_RETURN(tls_, server_tls(*core_.options.tls));
  }
  CAIRN_ASSIGN_OR_RETURN(acceptor_, listen_at(strand_, core_.options.host, core_.options.port));
  boost::system::error_code ec;
  port_ = acceptor_.local_endpoint(ec).port();
  if (ec) return internal_error("the port that was taken cannot be found out: " + ec.message());
  asio::co_spawn(strand_, accept_all(), asio::detached);
  const SignalsBlocked signals_blocked;
  try {
    for (int i = 0; i < core_.options.thread_count; ++i) threads_.emplace_back([this] { run_thread(); });
  } catch (const std::exception&) {
    return resource_exhausted("the system gives the HTTP server no more threads");
  }
  return {};
}

// A handler that throws (no memory is left) must not end the thread, on which other connections live.
void HttpServer::Impl::run_thread() {
  while (true) {
    try {
      io_.run();
      return;
    } catch (const std::exception&) {
      continue;
    }
  }
}

asio::awaitable<void> HttpServer::Impl::accept_all() {
  constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
  while (acceptor_.is_open()) {
    const asio::any_io_executor strand = asio::make_strand(io_);
    auto [error, socket] = co_await acceptor_.async_accept(strand, kAwait);
    if (!acceptor_.is_open()) co_return;
    if (!error) {
      welcome(std::move(socket));
      continue;
    }
    pause_.expires_after(kAcceptPause);
    co_await pause_.async_wait(kAwait);
  }
}

void HttpServer::Impl::welcome(tcp::socket socket) {
  const size_t count = core_.connections.size();
  if (count >= core_.options.connections_max + kRefusalsMax) return;
  const auto purpose =
      count >= core_.options.connections_max ? Connection::Purpose::kRefuse : Connection::Purpose::kServe;
  try {
    boost::system::error_code ec;
    socket.set_option(tcp::no_delay(true), ec);                  // each token at once
    socket.set_option(asio::socket_base::keep_alive(true), ec);  // finds machines that are no more
    auto address = socket.remote_endpoint(ec).address();
    if (ec) return;
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    }
    const asio::any_io_executor strand = socket.get_executor();
    auto stream = stream_of(std::move(socket));
    std::make_shared<Connection>(core_, strand, std::move(stream), address.to_string())->start(purpose);
  } catch (const std::exception&) {
    return;  // no memory: its destructor has closed the socket
  }
}

std::unique_ptr<ByteStream> HttpServer::Impl::stream_of(tcp::socket socket) {
  if (!core_.options.tls) return plain_stream(std::move(socket));
  const std::lock_guard lock(tls_mutex_);
  return tls_stream(std::move(socket), tls_);
}

Status HttpServer::Impl::reload_certificate() {
  if (!core_.options.tls) return {};
  CAIRN_ASSIGN_OR_RETURN(TlsContext fresh, server_tls(*core_.options.tls));
  const std::lock_guard lock(tls_mutex_);
  std::swap(tls_, fresh);
  return {};
}

void HttpServer::Impl::stop_accepting() {
  core_.is_stopping = true;
  asio::post(strand_, [this] {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  });
}

void HttpServer::Impl::stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(stop_mutex_);
  if (threads_.empty()) return;
  stop_accepting();
  for (const auto& connection : core_.connections.all()) connection->notice_stop();
  core_.connections.wait_until_empty(grace);
  for (const auto& connection : core_.connections.all()) connection->abort();
  core_.connections.wait_until_empty(kClosingTime);
  // With the acceptor and all connections closed no work is left, and the threads end by themselves.
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, HttpHandler& handler) {
  auto impl = std::make_unique<Impl>(std::move(options), handler);
  CAIRN_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

uint16_t HttpServer::port() const { return impl_->port(); }
std::string HttpServer::url() const { return impl_->url(); }
size_t HttpServer::connection_count() const { return impl_->connection_count(); }
uint64_t HttpServer::accepted_count() const { return impl_->accepted_count(); }
Status HttpServer::reload_certificate() { return impl_->reload_certificate(); }
void HttpServer::stop_accepting() { impl_->stop_accepting(); }
void HttpServer::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace cairn
