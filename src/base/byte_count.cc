#include "base/byte_count.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

#include "base/printable.h"

namespace cairn {
namespace {

constexpr std::array<std::pair<std::string_view, double>, 9> kUnits{{{"", 1},
                                                                     {"ki", 1024.0},
                                                                     {"mi", 1048576.0},
                                                                     {"gi", 1073741824.0},
                                                                     {"ti", 1099511627776.0},
                                                                     {"k", 1e3},
                                                                     {"m", 1e6},
                                                                     {"g", 1e9},
                                                                     {"t", 1e12}}};

std::string unit_of(std::string_view rest) {
  std::string unit;
  for (const char c : rest) {
    if (c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (unit.ends_with('b')) unit.pop_back();
  return unit;
}

}  // namespace

Result<uint64_t> parse_byte_count(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const std::string unit = unit_of({end, static_cast<size_t>(text.data() + text.size() - end)});
  const auto* found = std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first);
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  if (error != std::errc() || found == kUnits.end() || !(number * found->second >= 1) ||
      number * found->second > kMost) {
    return invalid_argument(fmt::format(
        "\"{}\" is no number of bytes: write 2GiB, 512MiB, 1.5GB or plain bytes", printable(text)));
  }
  return static_cast<uint64_t>(number * found->second);
}

}  // namespace cairn
