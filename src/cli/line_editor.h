// LineEditor: a person's lines at a terminal, with a cursor, a history, and lines of any length (libedit).
//
// While it lives, the terminal hands over keys one by one and echoes nothing by itself: also while a reply is written,
// so that what is typed or pasted meanwhile is neither cut nor shown in the middle of it. Its destructor gives the
// terminal its settings back. A message may have several lines: a paste is one message, Alt-Enter writes a line end,
// and a line that ends with a backslash goes on.
// One at a time, on the main thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/terminal_input.h"

namespace cairn {

class LineHistory;

class LineEditor : public LineSource {
 public:
  // Null where it cannot be: `in_fd` is no terminal, or neither of `out_fds` is one to draw on. A wait for keys ends
  // where `wake_fd` is readable. `history` must outlive the editor; what is typed is added to it.
  static std::unique_ptr<LineEditor> create(int in_fd, std::initializer_list<int> out_fds, int wake_fd,
                                            LineHistory& history);
  ~LineEditor() override;

  Event read(std::string& line) override;

 private:
  class Terminal;
  LineEditor(std::unique_ptr<Terminal> terminal, LineHistory& history);

  std::unique_ptr<Terminal> terminal_;
  LineHistory& history_;
};

}  // namespace cairn
