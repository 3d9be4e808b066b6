// The heaps that an engine keeps its requests in: those that wait for a place, by key, and those that have a deadline.
#pragma once

#include "engine/sequence.h"
#include "engine/sequence_heap.h"

namespace cairn {

struct KeyIsBefore {
  bool operator()(const Sequence& a, const Sequence& b) const { return a.key < b.key; }
};
// Of one tenant (fair_queue.h); the one with the smallest key first.
using RequestQueue = SequenceHeap<KeyIsBefore, &Sequence::queue_place>;

struct DeadlineIsBefore {
  bool operator()(const Sequence& a, const Sequence& b) const {
    return a.request.deadline_ns < b.request.deadline_ns;
  }
};
// All that have a deadline, the next one first.
using DeadlineQueue = SequenceHeap<DeadlineIsBefore, &Sequence::deadline_place>;

}  // namespace cairn
