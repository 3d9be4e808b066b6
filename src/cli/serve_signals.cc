#include "cli/serve_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace cairn {
namespace {

std::atomic<int> write_fd = -1;  // a handler has no other way to know it
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int number) {
  const int before = errno;
  const auto signal =
      static_cast<unsigned char>(number == SIGHUP ? ServeSignal::kReload : ServeSignal::kStop);
  (void)!::write(write_fd.load(), &signal, 1);  // a full pipe holds enough of them
  errno = before;
}

}  // namespace

Result<ServeSignals> ServeSignals::catch_all() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return internal_error("the system gives this process no pipe, which it needs to notice signals");
  }
  write_fd = ends[1];
  ServeSignals made(ends[0]);
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &made.before_[i]);
  return made;
}

ServeSignals::ServeSignals(ServeSignals&& other) noexcept
    : read_fd_(std::exchange(other.read_fd_, -1)), before_(other.before_) {}

ServeSignals::~ServeSignals() {
  if (read_fd_ < 0) return;
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  ::close(write_fd.exchange(-1));
  ::close(read_fd_);
}

void ServeSignals::end_at_once(unsigned seconds) {
  struct sigaction action{};
  action.sa_handler = [](int) { ::_exit(130); };
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGALRM}) ::sigaction(number, &action, nullptr);
  ::alarm(seconds);
}

std::optional<ServeSignal> ServeSignals::wait(std::chrono::milliseconds patience) {
  pollfd readable{.fd = read_fd_, .events = POLLIN, .revents = 0};
  if (::poll(&readable, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
  unsigned char signal = 0;
  if (::read(read_fd_, &signal, 1) != 1) return std::nullopt;
  return static_cast<ServeSignal>(signal);
}

}  // namespace cairn
