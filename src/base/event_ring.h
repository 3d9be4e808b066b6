// EventRing: the last events of one thread, for any number of threads that look on.
//
// One writer pushes; it never waits and never allocates. Events are numbered from 0 in the order of pushing,
// and the ring keeps the last `capacity()` of them. A reader keeps the number that it wants next and reads
// from there, whenever it likes: what has been overwritten by then is reported as missed. Readers change
// nothing, so they disturb neither the writer nor one another.
//
// Always true: a read returns whole events, in order, without a hole between them. There is no lock and no
// data race. An event lies in the ring as atomic words. The writer announces an event's number in `begun_`
// before it writes the words, and each word is a release store: a reader that has loaded (acquire) a word of
// a later event than the wanted one must therefore see that later number in `begun_`, and drops the copy.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

#include "base/check.h"

namespace cairn {

// What EventRing::read copied: the events [next - count, next). Before them `missed` events, from the number
// asked for on, had been overwritten or were about to be.
struct EventRead {
  size_t count = 0;
  uint64_t missed = 0;
  uint64_t next = 0;  // what to ask for next
};

template <typename Event>
class EventRing {
  static_assert(std::is_trivially_copyable_v<Event>);

 public:
  // A power of two. The memory is taken here, once (may throw std::bad_alloc).
  explicit EventRing(size_t capacity)
      : mask_(capacity - 1), words_(std::make_unique<std::atomic<uint64_t>[]>(capacity * kEventWords)) {
    CHECK(std::has_single_bit(capacity));
  }
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  [[nodiscard]] size_t capacity() const { return mask_ + 1; }
  [[nodiscard]] uint64_t bytes() const { return bytes_for(capacity()); }
  // What a ring of this capacity takes.
  [[nodiscard]] static constexpr uint64_t bytes_for(size_t capacity) {
    return capacity * kEventWords * sizeof(uint64_t);
  }
  // How many events have been pushed, which is the number of the next one.
  [[nodiscard]] uint64_t written() const { return written_.load(std::memory_order_acquire); }

  // The writer's thread only.
  void push(const Event& event) {
    Words copy{};
    std::memcpy(copy.data(), &event, sizeof(Event));
    const uint64_t number = begun_.load(std::memory_order_relaxed);
    begun_.store(number + 1, std::memory_order_relaxed);
    std::atomic<uint64_t>* const slot = slot_of(number);
    for (size_t i = 0; i < kEventWords; ++i) slot[i].store(copy[i], std::memory_order_release);
    written_.store(number + 1, std::memory_order_release);
  }

  // Any thread. Copies events from number `first` on, as many as there are and as `into` holds.
  EventRead read(uint64_t first, std::span<Event> into) const {
    const uint64_t end = written();
    uint64_t next = first;
    if (end > capacity() && next < end - capacity()) next = end - capacity();
    size_t count = 0;
    while (count < into.size() && next < end) {
      const Words copy = load(next);
      const uint64_t begun = begun_.load(std::memory_order_relaxed);
      if (begun <= next + capacity()) {
        std::memcpy(static_cast<void*>(&into[count]), copy.data(), sizeof(Event));
        ++count;
        ++next;
        continue;
      }
      if (count > 0) break;  // the next read reports the gap
      // The writer has lapped this read. Going on at the oldest event would be lapped again at once.
      next = begun - capacity() / 2;
    }
    return {.count = count, .missed = next - first - count, .next = next};
  }

 private:
  static constexpr size_t kEventWords = (sizeof(Event) + sizeof(uint64_t) - 1) / sizeof(uint64_t);
  using Words = std::array<uint64_t, kEventWords>;

  [[nodiscard]] std::atomic<uint64_t>* slot_of(uint64_t number) const {
    return &words_[(number & mask_) * kEventWords];
  }

  [[nodiscard]] Words load(uint64_t number) const {
    const std::atomic<uint64_t>* const slot = slot_of(number);
    Words copy;
    for (size_t i = 0; i < kEventWords; ++i) copy[i] = slot[i].load(std::memory_order_acquire);
    return copy;
  }

  const uint64_t mask_;
  const std::unique_ptr<std::atomic<uint64_t>[]> words_;  // [capacity][kEventWords]
  // Events whose writing has begun, and events that can be read: the writer is in at most one between them.
  // On a cache line of their own, so that what lies beside a ring does not share the writer's.
  alignas(64) std::atomic<uint64_t> begun_{0};
  std::atomic<uint64_t> written_{0};
};

}  // namespace cairn
