#include "cli/row_writer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"

namespace cairn {

RowWriter::RowWriter(Console& console, TableForm form, std::vector<Column> columns)
    : console_(console), form_(form), columns_(std::move(columns)) {
  for (Column& column : columns_) column.width = std::max(column.width, count_characters(column.title));
}

void RowWriter::add_row(const std::vector<std::string>& cells) {
  CHECK(cells.size() == columns_.size());
  if (!has_titles_) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    write(titles);
    has_titles_ = true;
  }
  write(cells);
}

void RowWriter::write(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t c = 0; c < cells.size(); ++c) {
    if (form_ == TableForm::kCsv) {
      line += (c > 0 ? "," : "") + csv_cell(cells[c]);
      continue;
    }
    const size_t width = count_characters(cells[c]);
    const std::string filler(columns_[c].width > width ? columns_[c].width - width : 0, ' ');
    if (c > 0) line += "  ";
    line += columns_[c].align == Align::kRight ? filler + cells[c] : cells[c] + filler;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  console_.write(line + "\n");
}

}  // namespace cairn
