#include "cli/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace cairn {
namespace {

// A signal handler has no other way to speak to the program.
volatile std::sig_atomic_t raised = 0;
volatile std::sig_atomic_t second_ends = 0;
volatile std::sig_atomic_t wake_fd = -1;

void on_interrupt(int) {
  if (raised != 0 && second_ends != 0) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  raised = 1;
  const int error = errno;
  constexpr uint64_t kOne = 1;
  if (::write(wake_fd, &kOne, sizeof kOne) < 0) {  // there is nobody to wake
  }
  errno = error;
}

}  // namespace

Interrupt::Interrupt(SecondTime second_time) : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  raised = 0;
  wake_fd = fd_;
  second_ends = second_time == SecondTime::kEndsTheProgram ? 1 : 0;
  struct sigaction action{};
  action.sa_handler = on_interrupt;  // without SA_RESTART: a waiting read answers EINTR
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &before_, nullptr);
  wake_fd = -1;
  if (fd_ >= 0) ::close(fd_);
}

bool Interrupt::is_raised() const { return raised != 0; }

// In this order: a Ctrl-C in between still wakes.
void Interrupt::clear() {
  uint64_t count = 0;
  if (::read(fd_, &count, sizeof count) < 0) {  // there was none
  }
  raised = 0;
}

}  // namespace cairn
