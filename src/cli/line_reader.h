// LineReader: lines of standard input as a person or a pipe gives them; an interrupt ends a wait.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

class LineReader {
 public:
  // A wait ends where `wake_fd` is readable (Interrupt::fd()); -1: nothing else ends it.
  explicit LineReader(int fd, int wake_fd = -1) : fd_(fd), wake_fd_(wake_fd) {}

  enum class Event : uint8_t { kLine, kEnd, kInterrupted };
  // kLine: `line` holds the next one without its line end. A last line without one is a line too.
  // kInterrupted: woken, or a signal came while waiting; what was read so far stays for the next call.
  // A line longer than 1 MiB comes in parts.
  Event read(std::string& line);

 private:
  enum class Wait : uint8_t { kReady, kInterrupted };
  [[nodiscard]] Wait wait() const;

  int fd_;
  int wake_fd_;
  std::string pending_;
  bool at_end_ = false;
};

}  // namespace cairn
