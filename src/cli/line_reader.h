// LineReader: lines of standard input as a person or a pipe gives them; a signal ends a wait.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  enum class Event : uint8_t { kLine, kEnd, kInterrupted };
  // kLine: `line` holds the next one without its line end. A last line without one is a line too.
  // kInterrupted: a signal came while waiting; what was read so far stays for the next call.
  // A line longer than 1 MiB comes in parts.
  Event read(std::string& line);

 private:
  int fd_;
  std::string pending_;
  bool at_end_ = false;
};

}  // namespace cairn
