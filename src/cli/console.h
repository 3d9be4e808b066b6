// Console: results go to standard output, everything else to standard error.
//
// Always true: nothing is buffered, so text appears when it is written; colours and progress bars appear only
// on a terminal. A failed write to standard output (full disk, closed pipe) is remembered: later writes do
// nothing, and out_status() says what happened; a command that succeeds must still check it. Failed writes
// to standard error are ignored: there is nowhere left to report them.
// One thread at a time. Nothing else in this program prints.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

class Console {
 public:
  // `colours_wanted`: what the environment says (NO_COLOR); terminals get none without it.
  enum class Colours : uint8_t { kNever, kOnTerminals };
  // Whether a terminal obeys commands at all (TERM is not "dumb"): without, there are neither colours nor bars.
  enum class Commands : uint8_t { kAreIgnored, kAreObeyed };
  explicit Console(Colours colours, int out_fd = STDOUT_FILENO, int err_fd = STDERR_FILENO,
                   Commands commands = Commands::kAreObeyed);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // Results. False from the first failed write on.
  bool write(std::string_view text);
  // Text of a model or a file: on a terminal, control characters are left out, since it would obey them.
  bool write_foreign(std::string_view text);
  // The same in bold, where there are colours.
  bool write_opening(std::string_view text);
  [[nodiscard]] const Status& out_status() const { return out_status_; }

  // One line for people (statistics, chosen values); the line end is added. Removes a progress bar first.
  void note(std::string_view line);
  // "cairn: MESSAGE", red on a terminal. A Status is printed with_flags.
  void error(std::string_view message);
  void error(const Status& status);
  // The prompt of a chat, which stays on its line.
  void ask(std::string_view text);

  [[nodiscard]] bool out_is_terminal() const { return out_is_terminal_; }
  [[nodiscard]] bool err_is_terminal() const { return err_is_terminal_; }
  // `text` as it looks on standard output: bold, green, ... where that is a terminal, else unchanged.
  enum class Style : uint8_t { kBold, kDim, kGreen, kRed };
  [[nodiscard]] std::string styled(Style style, std::string_view text) const;

 private:
  friend class ProgressBar;
  void write_error(std::string_view text);

  int out_fd_;
  int err_fd_;
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool colours_;
  bool bars_;
  Status out_status_;
  bool bar_is_shown_ = false;
};

// A bar on standard error during something long, if that is a terminal. Its destructor removes it.
class ProgressBar {
 public:
  // `label`: what is being done ("loading"). The console must outlive the bar.
  ProgressBar(Console& console, std::string_view label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Cheap to call often: the terminal is written to ten times a second at most.
  void update(uint64_t done, uint64_t total);
  void clear();

 private:
  Console& console_;
  std::string label_;
  uint64_t shown_ns_ = 0;
};

// A message of the library names an option, as in `context`, because its callers have options and no command
// line. Each such name in backticks is replaced by its flag, as in --context; everything else stays as it is.
[[nodiscard]] std::string with_flags(std::string_view message);
// The same for one option, where a command has a flag of its own for it.
[[nodiscard]] Status with_flag(const Status& status, std::string_view option, std::string_view flag);

}  // namespace cairn
