// SequenceHeap: sequences, the first by `Before` at the top. A binary heap in which each sequence knows its own place (the
// member `Place`), so that one from the middle goes as quickly as the first. Allocates only in reserve.
#pragma once

#include <cstddef>
#include <vector>

#include "base/check.h"
#include "engine/sequence.h"

namespace cairn {

// Before: bool operator()(const Sequence& a, const Sequence& b), a strict weak order that holds still.
template <typename Before, size_t Sequence::* Place>
class SequenceHeap {
 public:
  // Room for so many sequences; push needs it.
  void reserve(size_t count) { heap_.reserve(count); }
  [[nodiscard]] size_t capacity() const { return heap_.capacity(); }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] size_t size() const { return heap_.size(); }
  [[nodiscard]] Sequence& first() const { return *heap_.front(); }

  void push(Sequence& sequence) {
    DCHECK(heap_.size() < heap_.capacity());
    heap_.push_back(&sequence);
    up(heap_.size() - 1);
  }
  void erase(Sequence& sequence) {
    const size_t place = sequence.*Place;
    CHECK(place < heap_.size() && heap_[place] == &sequence);
    Sequence* last = heap_.back();
    heap_.pop_back();
    if (last == &sequence) return;
    put(place, last);
    down(place);
    up(last->*Place);
  }

 private:
  static bool is_before(const Sequence* a, const Sequence* b) { return Before()(*a, *b); }

  void put(size_t place, Sequence* sequence) {
    heap_[place] = sequence;
    sequence->*Place = place;
  }
  void up(size_t place) {
    Sequence* const moved = heap_[place];
    while (place > 0 && is_before(moved, heap_[(place - 1) / 2])) {
      put(place, heap_[(place - 1) / 2]);
      place = (place - 1) / 2;
    }
    put(place, moved);
  }
  void down(size_t place) {
    Sequence* const moved = heap_[place];
    for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
      if (child + 1 < heap_.size() && is_before(heap_[child + 1], heap_[child])) ++child;
      if (is_before(moved, heap_[child])) break;
      put(place, heap_[child]);
      place = child;
    }
    put(place, moved);
  }

  std::vector<Sequence*> heap_;
};

}  // namespace cairn
