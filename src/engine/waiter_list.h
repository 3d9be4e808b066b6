// WaiterList: the sequences that wait for one's rows, in the order in which they began to wait. They are linked through
// Sequence::waiter_links, so it allocates nothing, and any of them leaves in constant time.
#pragma once

namespace cairn {

struct Sequence;

struct WaiterLinks {
  Sequence* previous = nullptr;
  Sequence* next = nullptr;
};

class WaiterList {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] Sequence* first() const { return first_; }
  // In no list.
  void push(Sequence& waiter);
  // In this list.
  void erase(Sequence& waiter);

 private:
  Sequence* first_ = nullptr;
  Sequence* last_ = nullptr;
};

}  // namespace cairn
