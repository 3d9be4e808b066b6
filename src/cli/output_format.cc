#include "cli/output_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "base/check.h"
#include "base/utf8.h"

namespace cairn {

namespace {

// The shortest text that is this number again. It stays a number with a point: programs read it as one.
std::string plain_number(double number) {
  if (!std::isfinite(number)) return "null";
  std::string text = fmt::format("{}", number);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// Boost writes 0.8 as 8E-1: right, but no number that people compare. What JSON cannot express is null.
void add_json(const boost::json::value& value, std::string& text) {
  if (const auto* object = value.if_object()) {
    text += '{';
    for (const auto& [key, member] : *object) {
      if (text.back() != '{') text += ',';
      text += boost::json::serialize(boost::json::string_view(key)) + ":";
      add_json(member, text);
    }
    text += '}';
  } else if (const auto* array = value.if_array()) {
    text += '[';
    for (const auto& item : *array) {
      if (text.back() != '[') text += ',';
      add_json(item, text);
    }
    text += ']';
  } else if (const auto* number = value.if_double()) {
    text += plain_number(*number);
  } else {
    text += boost::json::serialize(value);
  }
}

}  // namespace

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\n\r") == std::string::npos) return cell;
  std::string text = "\"";
  for (const char c : cell) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

void Table::add_row(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::aligned() const {
  std::vector<size_t> widths;
  widths.reserve(columns_.size());
  for (const Column& column : columns_) widths.push_back(count_characters(column.title));
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], count_characters(row[c]));
  }

  std::string text;
  const auto add_line = [&](const auto& cell_at) {
    std::string line;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string& cell = cell_at(c);
      const std::string filler(widths[c] - count_characters(cell), ' ');
      if (c > 0) line += "  ";
      line += columns_[c].align == Align::kRight ? filler + cell : cell + filler;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) add_line([&](size_t c) -> const std::string& { return row[c]; });
  return text;
}

std::string Table::csv() const {
  std::string text;
  for (size_t c = 0; c < columns_.size(); ++c) text += (c > 0 ? "," : "") + csv_cell(columns_[c].title);
  text += "\n";
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) text += (c > 0 ? "," : "") + csv_cell(row[c]);
    text += "\n";
  }
  return text;
}

std::string human_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string grouped(uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string human_ns(double ns) {
  if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.1f} µs", ns / 1e3);
  if (ns < 1e9) return fmt::format("{:.1f} ms", ns / 1e6);
  return fmt::format("{:.2f} s", ns / 1e9);
}

std::string json_line(const boost::json::object& object) {
  std::string text;
  add_json(object, text);
  return text + "\n";
}

std::string json_text(std::string_view text) {
  std::string valid;
  const size_t used = take_utf8(text, valid);
  if (used < text.size()) append_utf8(valid, U'\uFFFD');
  return valid;
}

}  // namespace cairn
