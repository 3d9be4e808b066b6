// ServeSignals: SIGINT, SIGTERM and SIGHUP as things to wait for, while a server runs. Before and after it they do what they
// usually do. One at a time, on the main thread.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <optional>

#include "cairn/status.h"

namespace cairn {

enum class ServeSignal : unsigned char { kStop, kReload };

class ServeSignals {
 public:
  // kInternal: the system gave no pipe.
  static Result<ServeSignals> catch_all();
  ~ServeSignals();
  ServeSignals(ServeSignals&& other) noexcept;
  ServeSignals& operator=(ServeSignals&&) = delete;

  // Nobody waits any more: another signal ends the process at once, with 130, and so does time where some is given.
  void end_at_once(unsigned seconds = 0);
  // The next one; absent: none came for so long.
  [[nodiscard]] std::optional<ServeSignal> wait(std::chrono::milliseconds patience);

 private:
  static constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};
  explicit ServeSignals(int read_fd) : read_fd_(read_fd) {}

  int read_fd_;
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace cairn
