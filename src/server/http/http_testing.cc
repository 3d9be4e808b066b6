#include "server/http/http_testing.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <thread>
#include <utility>

#include "base/sanitizer_testing.h"
#include "server/http/reply_text.h"

namespace cairn {
namespace {

constexpr int kPatienceMs = kSanitized ? 600'000 : 60'000;  // a sanitizer on a busy machine is slow

bool is_ready(int fd, short events, int time_ms) {
  pollfd poll_fd{.fd = fd, .events = events, .revents = 0};
  return poll(&poll_fd, 1, time_ms) > 0;
}

int connected(uint16_t port, const char* address) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof(sockaddr_in6);
  }
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }
  if (fd >= 0) ::close(fd);
  return -1;
}

}  // namespace

RawClient::RawClient(uint16_t port, const char* address) : fd_(connected(port, address)) {}
RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), arrived_(std::move(other.arrived_)) {}
RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RawClient::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void RawClient::shut_down_sending() const { shutdown(fd_, SHUT_WR); }

void RawClient::set_receive_buffer(int bytes) const {
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool RawClient::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    if (!is_ready(fd_, POLLOUT, kPatienceMs)) return false;
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string RawClient::read_until(std::string_view end) {
  char buffer[16384];
  while (true) {
    const size_t at = end.empty() ? std::string::npos : arrived_.find(end);
    if (at != std::string::npos) {
      std::string text = arrived_.substr(0, at + end.size());
      arrived_.erase(0, at + end.size());
      return text;
    }
    if (!is_ready(fd_, POLLIN, kPatienceMs)) break;
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count <= 0) break;
    arrived_.append(buffer, static_cast<size_t>(count));
  }
  return std::exchange(arrived_, {});
}

std::string RawClient::read_all() { return read_until(""); }

std::string RawClient::read_reply() {
  std::string reply = read_until("\r\n\r\n");
  const size_t at = reply.find("Content-Length: ");
  if (at == std::string::npos) return reply;
  size_t length = 0;
  std::from_chars(reply.data() + at + 16, reply.data() + reply.size(), length);
  char buffer[16384];
  while (arrived_.size() < length && is_ready(fd_, POLLIN, kPatienceMs)) {
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count <= 0) break;
    arrived_.append(buffer, static_cast<size_t>(count));
  }
  reply += arrived_.substr(0, length);
  arrived_.erase(0, length);
  return reply;
}

bool RawClient::is_closed_within(std::chrono::milliseconds time) const {
  const auto end = std::chrono::steady_clock::now() + time;
  char buffer[16384];
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !is_ready(fd_, POLLIN, static_cast<int>(left.count()))) return false;
    if (recv(fd_, buffer, sizeof buffer, 0) <= 0) return true;
  }
}

int status_of(std::string_view reply) {
  int status = 0;
  if (reply.starts_with("HTTP/1.1 ")) std::from_chars(reply.data() + 9, reply.data() + reply.size(), status);
  return status;
}

std::string body_of(std::string_view reply) {
  const size_t at = reply.find("\r\n\r\n");
  return at == std::string_view::npos ? std::string() : std::string(reply.substr(at + 4));
}

std::optional<std::string> unchunked(std::string_view body) {
  std::string text;
  while (true) {
    size_t size = 0;
    const auto parsed = std::from_chars(body.data(), body.data() + body.size(), size, 16);
    const auto digits = static_cast<size_t>(parsed.ptr - body.data());
    if (digits == 0 || body.substr(digits, 2) != "\r\n") return std::nullopt;
    body.remove_prefix(digits + 2);
    if (size == 0) return text;
    if (body.size() < size + 2) return std::nullopt;
    text += body.substr(0, size);
    body.remove_prefix(size + 2);
  }
}

HttpServerOptions small_limits() {
  HttpServerOptions options;
  options.port = 0;
  options.header_bytes_max = 4096;
  options.body_bytes_max = 100'000;
  options.all_bodies_bytes_max = 250'000;
  options.unsent_bytes_max = 100'000;
  options.header_timeout = std::chrono::milliseconds(300);
  options.body_timeout = std::chrono::milliseconds(400);
  options.idle_timeout = std::chrono::milliseconds(500);
  options.write_timeout = std::chrono::milliseconds(500);
  options.linger_timeout = std::chrono::milliseconds(300);
  return options;
}

std::unique_ptr<HttpServer> started(HttpServerOptions options, HttpHandler& handler) {
  auto server = HttpServer::start(std::move(options), handler);
  EXPECT_TRUE(server.ok()) << server.status().message();
  return std::move(server).value();
}

HttpReply text_reply(std::string text, int status) {
  return {.status = status,
          .content_type = "text/plain",
          .headers = {},
          .body = std::move(text),
          .shared_body = nullptr};
}

void echo(const std::shared_ptr<HttpExchange>& exchange) {
  const HttpRequest& request = exchange->request();
  exchange->reply(text_reply(
      fmt::format("{} {} {} {}", request.head.method, request.head.path, request.head.query, request.body)));
}

bool becomes_true(const std::function<bool()>& holds) {
  for (int i = 0; i < 400; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return holds();
}

}  // namespace cairn
