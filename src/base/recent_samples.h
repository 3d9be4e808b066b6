// RecentSamples: the last few values of a measure, and their median, so that one odd value changes nothing and a change is
// soon noticed. A plain value; allocates nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace cairn {

template <size_t kCount>
class RecentSamples {
 public:
  void add(int64_t value) {
    values_[next_] = value;
    next_ = (next_ + 1) % kCount;
    count_ = std::min(count_ + 1, kCount);
  }
  void clear() { *this = {}; }

  // Of an even number the lower middle; as long as there are fewer than kCount, of those.
  [[nodiscard]] std::optional<int64_t> median() const {
    if (count_ == 0) return std::nullopt;
    std::array<int64_t, kCount> sorted = values_;
    std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count_));
    return sorted[(count_ - 1) / 2];
  }

 private:
  std::array<int64_t, kCount> values_{};
  size_t count_ = 0;
  size_t next_ = 0;
};

}  // namespace cairn
