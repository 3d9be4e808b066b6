#include "cli/nearest.h"

#include <algorithm>
#include <vector>

namespace cairn {

// Optimal string alignment, by rows.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::optional<std::string> nearest_name(std::string_view word, std::span<const std::string> names) {
  constexpr size_t kLongestWord = 64;  // a whole sentence is no slip, and would take long to compare
  if (word.size() > kLongestWord) return std::nullopt;
  std::optional<std::string> nearest;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = edit_distance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  if (nearest.has_value()) return nearest;
  constexpr size_t kBeginning = 4;  // "--t" begins too many names
  for (const std::string& name : names) {
    if (word.size() >= kBeginning && name.starts_with(word)) return name;
  }
  return std::nullopt;
}

}  // namespace cairn
