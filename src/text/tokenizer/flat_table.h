// FlatTable: a hash table from 64-bit keys to small values, built once and then only read: open
// addressing in one array, at most half full. Vocabularies and merges see millions of lookups.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace cairn {

template <typename Value>
class FlatTable {
 public:
  explicit FlatTable(size_t expected = 0) : slots_(std::bit_ceil(2 * expected + 2)) {}

  // Keeps the value of a key that is already present; returns whether the key was new.
  bool insert(uint64_t key, Value value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place_of(key)];
    if (slot.used) return false;
    slot = {key, value, true};
    ++size_;
    return true;
  }

  [[nodiscard]] const Value* find(uint64_t key) const {
    const Slot& slot = slots_[place_of(key)];
    return slot.used ? &slot.value : nullptr;
  }

  [[nodiscard]] size_t size() const { return size_; }

 private:
  struct Slot {
    uint64_t key = 0;
    Value value{};
    bool used = false;
  };

  // The slot that holds `key`, or the free one where it belongs.
  [[nodiscard]] size_t place_of(uint64_t key) const {
    uint64_t hash = key * 0x9E3779B97F4A7C15U;
    hash = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93U;
    const size_t mask = slots_.size() - 1;
    size_t place = (hash ^ (hash >> 32)) & mask;
    while (slots_[place].used && slots_[place].key != key) place = (place + 1) & mask;
    return place;
  }

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) slots_[place_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace cairn
