// LongRun: what a command that takes long says while it runs. Soon after the beginning, about how long it will take; a
// progress bar, on a terminal; and whether Ctrl-C asked it to stop, so that it can print what there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cli/console.h"
#include "cli/terminal_input.h"

namespace cairn {

// "40 s", "3 min", "2 h 10 min".
[[nodiscard]] std::string about_duration(double seconds);

// How long all of `total` takes, where `done` of it took so long; nothing where that is too little to judge by.
[[nodiscard]] std::optional<double> expected_seconds(uint64_t done, uint64_t total, double seconds);

class LongRun {
 public:
  // `label`: what is being done. Console and interrupt must outlive it.
  LongRun(Console& console, const Interrupt& interrupt, std::string_view label);

  // Done of all, in units that take about equally long. The first time that there is enough to judge by, a note says
  // how long all of it will take, unless that is a moment.
  void update(uint64_t done, uint64_t total);
  [[nodiscard]] bool is_stopped() const { return interrupt_.is_raised(); }

 private:
  Console& console_;
  const Interrupt& interrupt_;
  std::string label_;
  ProgressBar bar_;
  SteadyClock clock_;
  uint64_t begin_ns_;
  bool is_told_ = false;
};

}  // namespace cairn
