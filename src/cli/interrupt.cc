#include "cli/interrupt.h"

namespace cairn {
namespace {

// A signal handler has no other way to speak to the program.
volatile std::sig_atomic_t raised = 0;
volatile std::sig_atomic_t second_ends = 0;

void on_interrupt(int) {
  if (raised != 0 && second_ends != 0) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  raised = 1;
}

}  // namespace

Interrupt::Interrupt(SecondTime second_time) {
  raised = 0;
  second_ends = second_time == SecondTime::kEndsTheProgram ? 1 : 0;
  struct sigaction action{};
  action.sa_handler = on_interrupt;  // without SA_RESTART: a waiting read answers EINTR
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &before_, nullptr); }

bool Interrupt::is_raised() const { return raised != 0; }
void Interrupt::clear() { raised = 0; }

}  // namespace cairn
