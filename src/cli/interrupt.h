// Interrupt: Ctrl-C as a question that a loop asks, rather than the end of the program.
//
// While an Interrupt lives, Ctrl-C only sets a mark (and makes a waiting read return early); before and
// after, it ends the program as usual. One at a time, made and asked on the main thread.
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
  void clear();

 private:
  struct sigaction before_{};
};

}  // namespace cairn
