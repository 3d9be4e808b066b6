// LineHistory: the lines that were typed at a terminal, kept from run to run.
//
// The file holds one JSON string a line, oldest first. It is private (mode 0600, in a folder of mode 0700), and lines
// are appended at once, so that several programs may write it and a crash loses nothing. Where it cannot be read or
// written, lines are remembered while the program runs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn {

// More than a person looks through; older lines leave the file when it is opened.
inline constexpr size_t kHistoryLinesMax = 1000;
// A pasted book is not kept.
inline constexpr size_t kHistoryLineBytesMax = size_t{64} << 10;

class LineHistory {
 public:
  // `path` absent: nothing is kept. Its folders are made where they are missing.
  explicit LineHistory(std::optional<std::string> path);

  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  // Not ok: why lines are not kept.
  [[nodiscard]] const Status& status() const { return status_; }
  // Nothing for a line that equals the one before it, or is too long.
  void add(std::string_view line);

 private:
  Status load();
  Status shorten();
  Status append(std::string_view text) const;

  std::optional<std::string> path_;
  std::vector<std::string> lines_;
  Status status_;
};

// Where a user's history belongs: in $XDG_STATE_HOME, else in $HOME/.local/state. Absent where neither is an absolute
// path.
[[nodiscard]] std::optional<std::string> history_path(const char* state_home, const char* home);

}  // namespace cairn
