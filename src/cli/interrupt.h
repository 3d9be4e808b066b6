// Interrupt: Ctrl-C as a question that a loop asks, rather than the end of the program.
//
// While an Interrupt lives, Ctrl-C only sets a mark, and wakes who waits for fd() as well as for input;
// before and after, it ends the program as usual. One at a time, made and asked on the main thread.
#pragma once

#include <csignal>
#include <cstdint>

namespace cairn {

class Interrupt {
 public:
  // What a Ctrl-C does that comes before the last one was noticed.
  enum class SecondTime : uint8_t { kEndsTheProgram, kIsTheSame };
  explicit Interrupt(SecondTime second_time);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] bool is_raised() const;
  // Readable from a Ctrl-C until clear(), so that one which comes just before a wait is not lost; -1 where
  // the system has none.
  [[nodiscard]] int fd() const { return fd_; }
  void clear();

 private:
  int fd_;
  struct sigaction before_{};
};

}  // namespace cairn
