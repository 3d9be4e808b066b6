#include "engine/waiter_list.h"

#include "base/check.h"
#include "engine/sequence.h"

namespace cairn {

void WaiterList::push(Sequence& waiter) {
  DCHECK(waiter.waiter_links.previous == nullptr && waiter.waiter_links.next == nullptr);
  waiter.waiter_links.previous = last_;
  (last_ == nullptr ? first_ : last_->waiter_links.next) = &waiter;
  last_ = &waiter;
}

void WaiterList::erase(Sequence& waiter) {
  const auto [previous, next] = waiter.waiter_links;
  DCHECK((previous == nullptr ? first_ : previous->waiter_links.next) == &waiter);
  (previous == nullptr ? first_ : previous->waiter_links.next) = next;
  (next == nullptr ? last_ : next->waiter_links.previous) = previous;
  waiter.waiter_links = {};
}

}  // namespace cairn
