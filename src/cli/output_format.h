// How results are written: tables, numbers with units, lines of JSON. Pure: all of it returns text.
#pragma once

#include <boost/json/object.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

enum class Align : unsigned char { kLeft, kRight };

// Rows of cells, with aligned columns for people or as CSV for programs.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void add_row(std::vector<std::string> cells);
  [[nodiscard]] size_t row_count() const { return rows_.size(); }

  // One line for the titles and one for each row, two spaces between columns; no blanks at a line's end.
  // A cell counts as wide as it has characters (UTF-8), so cells must hold no colours.
  [[nodiscard]] std::string aligned() const;
  // RFC 4180, with \n as the line end.
  [[nodiscard]] std::string csv() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A cell of a CSV file (RFC 4180): in quotes where it must be.
[[nodiscard]] std::string csv_cell(const std::string& cell);
// 1536 -> "1.5 KiB"; below 1 KiB plain bytes.
[[nodiscard]] std::string human_bytes(uint64_t bytes);
// 12345678 -> "12,345,678".
[[nodiscard]] std::string grouped(uint64_t number);
// Of a count that is not negative.
[[nodiscard]] inline std::string grouped_count(int64_t count) {
  return grouped(static_cast<uint64_t>(count));
}
// A time in the unit that reads best: "950 ns", "1.2 ms", "3.4 s".
[[nodiscard]] std::string human_ns(double ns);

// One line with its line end, as --json prints it: numbers in a plain form (0.8, not 8E-1), null for what is none.
[[nodiscard]] std::string json_line(const boost::json::object& object);

// JSON is UTF-8: broken parts of `text` (a path, half a character) become U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

}  // namespace cairn
