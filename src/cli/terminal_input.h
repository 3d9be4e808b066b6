// Input of the person or script that runs the program: Ctrl-C and its like, and lines on standard input.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <string>

namespace cairn {

// While an Interrupt lives, Ctrl-C only sets a flag and makes fd() readable, so that a loop can end cleanly. The same
// for SIGTERM and SIGHUP, unless they are ignored (nohup); those also say that the program must end.
// Before and after, they end the program as usual. There is one at a time, used on the main thread.
class Interrupt {
 public:
  // What a second Ctrl-C does while the first is still set.
  enum class SecondTime : uint8_t { kEndsTheProgram, kIsTheSame };
  explicit Interrupt(SecondTime second_time);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] bool is_raised() const;
  // SIGTERM or SIGHUP came; clear() leaves this as it is.
  [[nodiscard]] bool must_end() const;
  // Readable from a Ctrl-C until clear(), so that one just before a wait is not lost; -1 where the system
  // gave no descriptor.
  [[nodiscard]] int fd() const { return fd_; }
  void clear();

 private:
  static constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};

  int fd_;
  std::array<struct sigaction, kSignals.size()> before_{};
};

// While it lives, a terminal keeps what is typed as it comes: it does not gather lines, of which it would cut one at
// 4,095 bytes, and shows nothing. For the time before a LineEditor is there. Its end, and a signal that ends the
// program, give the terminal its settings back. Nothing happens where `fd` is no terminal. One at a time.
class EarlyKeys {
 public:
  explicit EarlyKeys(int fd);
  ~EarlyKeys();
  EarlyKeys(const EarlyKeys&) = delete;
  EarlyKeys& operator=(const EarlyKeys&) = delete;

  // The terminal's settings, before the end.
  void give_back();

 private:
  static constexpr std::array<int, 4> kSignals{SIGINT, SIGQUIT, SIGTERM, SIGHUP};

  bool is_active_ = false;
  std::array<struct sigaction, kSignals.size()> before_{};
};

// Lines from a person or a script.
class LineSource {
 public:
  enum class Event : uint8_t { kLine, kEnd, kInterrupted, kDropped };
  virtual ~LineSource() = default;
  // kLine: `line` is the next one, without its line end.
  // kInterrupted: woken, or a signal came while waiting. kDropped: the same, and with it went what had been typed.
  virtual Event read(std::string& line) = 0;
};

// Lines of a pipe or a file. An interrupt ends a wait; what was read so far stays for the next call.
class LineReader : public LineSource {
 public:
  // A wait ends where `wake_fd` is readable (Interrupt::fd()); -1: nothing else ends it.
  explicit LineReader(int fd, int wake_fd = -1) : fd_(fd), wake_fd_(wake_fd) {}

  // A last line without a line end is a line too. One that no context holds comes in parts of kLongestLine bytes.
  Event read(std::string& line) override;
  static constexpr size_t kLongestLine = size_t{256} << 20;

 private:
  enum class Wait : uint8_t { kReady, kInterrupted };
  [[nodiscard]] Wait wait() const;

  int fd_;
  int wake_fd_;
  std::string pending_;
  size_t searched_ = 0;  // bytes of pending_ that hold no line end
  bool at_end_ = false;
};

}  // namespace cairn
