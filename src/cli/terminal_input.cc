#include "cli/terminal_input.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace cairn {
namespace {

// A signal handler can share nothing else with the program.
volatile std::sig_atomic_t raised = 0;
volatile std::sig_atomic_t end_asked = 0;
volatile std::sig_atomic_t second_ends = 0;
volatile std::sig_atomic_t wake_fd = -1;

void on_interrupt(int number) {
  if (raised != 0 && second_ends != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  raised = 1;
  if (number != SIGINT) end_asked = 1;
  const int error = errno;
  constexpr uint64_t kOne = 1;
  if (::write(wake_fd, &kOne, sizeof kOne) < 0) {  // there is nobody to wake
  }
  errno = error;
}

termios settings_before;
int terminal_fd = -1;

void give_back_and_end(int number) {
  ::tcsetattr(terminal_fd, TCSANOW, &settings_before);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

Interrupt::Interrupt(SecondTime second_time) : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  raised = 0;
  end_asked = 0;
  wake_fd = fd_;
  second_ends = second_time == SecondTime::kEndsTheProgram ? 1 : 0;
  struct sigaction action{};
  action.sa_handler = on_interrupt;  // without SA_RESTART: a waiting read returns EINTR
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    const bool stays_ignored = kSignals[i] != SIGINT && before_[i].sa_handler == SIG_IGN;
    if (!stays_ignored) sigaction(kSignals[i], &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  wake_fd = -1;
  if (fd_ >= 0) ::close(fd_);
}

bool Interrupt::is_raised() const { return raised != 0; }
bool Interrupt::must_end() const { return end_asked != 0; }

// In this order: a Ctrl-C in between still wakes.
void Interrupt::clear() {
  uint64_t count = 0;
  if (::read(fd_, &count, sizeof count) < 0) {  // there was none
  }
  raised = 0;
}

EarlyKeys::EarlyKeys(int fd) {
  if (::tcgetattr(fd, &settings_before) != 0) return;
  termios settings = settings_before;
  settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  settings.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR);
  terminal_fd = fd;
  struct sigaction action{};
  action.sa_handler = give_back_and_end;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_DFL) sigaction(kSignals[i], &action, nullptr);
  }
  is_active_ = true;
  ::tcsetattr(fd, TCSANOW, &settings);
}

void EarlyKeys::give_back() {
  if (is_active_) ::tcsetattr(terminal_fd, TCSANOW, &settings_before);
}

EarlyKeys::~EarlyKeys() {
  if (!is_active_) return;
  give_back();
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

LineReader::Wait LineReader::wait() const {
  if (fd_ < 0) return Wait::kReady;  // read() will fail
  pollfd both[] = {{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  if (::poll(both, 2, -1) < 0) return errno == EINTR ? Wait::kInterrupted : Wait::kReady;
  return both[1].revents != 0 ? Wait::kInterrupted : Wait::kReady;
}

LineSource::Event LineReader::read(std::string& line) {
  std::array<char, 4096> part;
  while (true) {
    const size_t end = pending_.find('\n', searched_);
    searched_ = pending_.size();
    if (end != std::string::npos || pending_.size() >= kLongestLine || (at_end_ && !pending_.empty())) {
      line = pending_.substr(0, std::min(end, kLongestLine));
      pending_.erase(0, line.size() + (end == line.size() ? 1 : 0));
      searched_ = 0;
      return Event::kLine;
    }
    if (at_end_) return Event::kEnd;
    if (wait() == Wait::kInterrupted) return Event::kInterrupted;
    const ssize_t got = ::read(fd_, part.data(), part.size());
    if (got < 0 && errno == EINTR) return Event::kInterrupted;
    if (got <= 0) {
      at_end_ = true;  // a broken input ends like a closed one
    } else {
      pending_.append(part.data(), static_cast<size_t>(got));
    }
  }
}

}  // namespace cairn
