#include "store/redis_fake_testing.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace cairn {

FakeRedis::FakeRedis(Answer answer) : answer_(std::move(answer)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener_, 16), 0);
  EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_all(); });
}

FakeRedis::~FakeRedis() {
  ::shutdown(listener_, SHUT_RDWR);
  accepting_.join();
  for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
  for (const int fd : open_) ::close(fd);
  ::close(listener_);
}

void FakeRedis::accept_all() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connection_count_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void FakeRedis::serve(int fd) {
  std::vector<char> buffer(64 << 10);
  while (true) {
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    const std::optional<std::string> answer = answer_({buffer.data(), static_cast<size_t>(count)});
    if (!answer) break;
    size_t sent = 0;
    while (sent < answer->size()) {
      const ssize_t part = ::send(fd, answer->data() + sent, answer->size() - sent, MSG_NOSIGNAL);
      if (part <= 0) break;
      sent += static_cast<size_t>(part);
    }
    if (sent < answer->size()) break;
  }
  ::shutdown(fd, SHUT_RDWR);
}

}  // namespace cairn
