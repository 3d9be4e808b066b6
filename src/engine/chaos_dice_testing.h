// Dice: draws that are a pure function of (seed, stream) and of how many came before. For tests only.
#pragma once

#include <cstdint>
#include <iterator>

#include "base/random.h"

namespace cairn {

class Dice {
 public:
  Dice(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  uint64_t bits() { return random_bits(seed_, stream_, count_++); }
  int64_t below(int64_t end) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(end)); }
  // [first, last]
  int64_t between(int64_t first, int64_t last) { return first + below(last - first + 1); }
  bool one_in(int64_t count) { return below(count) == 0; }
  template <typename List>
  const auto& one_of(const List& list) {
    return std::data(list)[static_cast<size_t>(below(std::ssize(list)))];
  }

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t count_ = 0;
};

}  // namespace cairn
