// RowWriter: a table whose rows are written as they come, for commands that take long. A column is as wide as was said,
// or as its title; a longer cell pushes the rest of its row aside.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_format.h"

namespace cairn {

class RowWriter {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    size_t width = 0;  // at least
  };
  // The titles are written before the first row.
  RowWriter(Console& console, TableForm form, std::vector<Column> columns);

  // As many cells as there are columns.
  void add_row(const std::vector<std::string>& cells);

 private:
  void write(const std::vector<std::string>& cells);

  Console& console_;
  TableForm form_;
  std::vector<Column> columns_;
  bool has_titles_ = false;
};

}  // namespace cairn
