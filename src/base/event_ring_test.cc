#include "base/event_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "base/sanitizer_testing.h"

namespace cairn {
namespace {

// Not a multiple of a word, so that the last word is half used.
struct Event {
  uint64_t number;
  uint64_t twice;
  uint32_t low;
  uint32_t high;
  uint32_t check;
};

Event make_event(uint64_t number) {
  return {.number = number,
          .twice = 2 * number,
          .low = static_cast<uint32_t>(number),
          .high = static_cast<uint32_t>(number >> 32),
          .check = static_cast<uint32_t>(number * 0x9e3779b9U)};
}

bool is_event(const Event& event, uint64_t number) {
  const Event expected = make_event(number);
  return event.number == expected.number && event.twice == expected.twice && event.low == expected.low &&
         event.high == expected.high && event.check == expected.check;
}

void push_numbers(EventRing<Event>& ring, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) ring.push(make_event(ring.written()));
}

void expect_events(const EventRing<Event>& ring, uint64_t wanted, size_t room, EventRead expected) {
  std::vector<Event> into(room);
  const EventRead read = ring.read(wanted, into);
  EXPECT_EQ(read.count, expected.count);
  EXPECT_EQ(read.missed, expected.missed);
  EXPECT_EQ(read.next, expected.next);
  for (size_t i = 0; i < read.count; ++i) EXPECT_TRUE(is_event(into[i], read.next - read.count + i)) << i;
}

TEST(EventRing, TakesWholeWords) {
  const EventRing<Event> ring(8);
  EXPECT_EQ(sizeof(Event), 32U);  // 28 bytes, aligned to words
  EXPECT_EQ(ring.bytes(), 8U * 32U);
  EXPECT_EQ(EventRing<std::byte>::bytes_for(16), 16U * sizeof(uint64_t));
}

TEST(EventRing, IsEmptyAtFirst) {
  const EventRing<Event> ring(8);
  EXPECT_EQ(ring.capacity(), 8u);
  EXPECT_EQ(ring.written(), 0u);
  expect_events(ring, 0, 8, {.count = 0, .missed = 0, .next = 0});
}

TEST(EventRing, GivesEventsInOrder) {
  EventRing<Event> ring(8);
  push_numbers(ring, 5);
  expect_events(ring, 0, 8, {.count = 5, .missed = 0, .next = 5});
  expect_events(ring, 3, 8, {.count = 2, .missed = 0, .next = 5});
  expect_events(ring, 5, 8, {.count = 0, .missed = 0, .next = 5});
  expect_events(ring, 9, 8, {.count = 0, .missed = 0, .next = 9});  // not pushed yet
}

TEST(EventRing, FillsWhatTheReaderGives) {
  EventRing<Event> ring(8);
  push_numbers(ring, 5);
  expect_events(ring, 0, 2, {.count = 2, .missed = 0, .next = 2});
  expect_events(ring, 2, 2, {.count = 2, .missed = 0, .next = 4});
  expect_events(ring, 4, 0, {.count = 0, .missed = 0, .next = 4});
}

TEST(EventRing, KeepsTheLastAndReportsTheGap) {
  EventRing<Event> ring(8);
  push_numbers(ring, 8);
  expect_events(ring, 0, 8, {.count = 8, .missed = 0, .next = 8});
  push_numbers(ring, 1);
  expect_events(ring, 0, 8, {.count = 8, .missed = 1, .next = 9});
  push_numbers(ring, 20);
  expect_events(ring, 0, 8, {.count = 8, .missed = 21, .next = 29});
  expect_events(ring, 0, 3, {.count = 3, .missed = 21, .next = 24});
  expect_events(ring, 24, 8, {.count = 5, .missed = 0, .next = 29});
}

TEST(EventRing, WrapsManyTimes) {
  for (const size_t capacity : {1, 2, 4, 64}) {
    EventRing<Event> ring(capacity);
    for (uint64_t i = 0; i < 1000; ++i) {
      push_numbers(ring, 1);
      expect_events(ring, i, 1, {.count = 1, .missed = 0, .next = i + 1});
    }
  }
}

// Follows the writer until it has seen or missed all of `count` events; pauses now and then, so as to be
// lapped. Returns how many it missed, or nothing where an event was torn, out of order or not counted.
std::optional<uint64_t> follow(const EventRing<Event>& ring, uint64_t count, uint64_t pause_every) {
  std::vector<Event> into(ring.capacity());
  uint64_t next = 0;
  uint64_t seen = 0;
  uint64_t missed = 0;
  for (uint64_t round = 1; next < count; ++round) {
    const EventRead read = ring.read(next, into);
    if (read.next != next + read.missed + read.count) return std::nullopt;
    for (size_t i = 0; i < read.count; ++i) {
      if (!is_event(into[i], next + read.missed + i)) return std::nullopt;
    }
    next = read.next;
    seen += read.count;
    missed += read.missed;
    if (read.count == 0 || round % pause_every == 0) std::this_thread::yield();
  }
  if (seen + missed != count) return std::nullopt;
  return missed;
}

// The rings are so small that the writer laps readers in the middle of a copy.
TEST(EventRing, ReadersOfAFastWriterSeeWholeEventsOrAGap) {
  const uint64_t count = kSanitized ? 200'000 : 2'000'000;
  for (const size_t capacity : {2, 16, 1024}) {
    EventRing<Event> ring(capacity);
    std::atomic<int> ready{0};
    std::vector<std::optional<uint64_t>> missed(4);
    std::vector<std::thread> readers;
    readers.reserve(missed.size());
    for (size_t r = 0; r < missed.size(); ++r) {
      readers.emplace_back([&, r] {
        ++ready;
        missed[r] = follow(ring, count, 1 + r * 7);
      });
    }
    while (ready < 4) std::this_thread::yield();
    push_numbers(ring, count);
    for (std::thread& reader : readers) reader.join();
    for (const auto& m : missed) ASSERT_TRUE(m.has_value()) << "torn, out of order or uncounted";
  }
}

}  // namespace
}  // namespace cairn
