// The disk store where the system fails, and where bytes on the disk change.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "store/disk_store_testing.h"

namespace cairn {
namespace {

constexpr uint64_t kNumbers = 30;

// Puts, flushes, evicts nothing, erases, reads and restarts; remembers what was acknowledged. No call may do worse than
// say that it failed.
struct Acknowledged {
  std::set<uint64_t> found;   // put and flushed
  std::set<uint64_t> erased;  // erase returned ok
};

Acknowledged exercise(TestStore& store) {
  Acknowledged acknowledged;
  std::set<uint64_t> put;
  for (uint64_t i = 0; i < kNumbers; ++i) {
    if (store->put(sample(i).view()).ok()) put.insert(i);
    if (i % 5 == 4 && store->flush().ok()) acknowledged.found = put;
    EXPECT_NE(look_for(*store, i / 2), Seen::kWrong);
    if (i % 10 == 9) {
      const uint64_t number = i - 7;
      put.erase(number);
      acknowledged.found.erase(number);
      if (store->erase(name_of(number)).ok()) acknowledged.erased.insert(number);
    }
    if (i == 15) (void)store->pin(name_of(15));
  }
  return acknowledged;
}

void expect_usable(TestStore& store) {
  ASSERT_TRUE(store->put(sample(1000).view()).ok());
  ASSERT_TRUE(store->flush().ok());
  EXPECT_EQ(look_for(*store, 1000), Seen::kThere);
}

// Reads that fail, and what a failed removal gives up, lose records on purpose; everything else must not.
void expect_acknowledged(TestStore& store, const Acknowledged& acknowledged, bool all_found) {
  for (uint64_t i = 0; i < kNumbers; ++i) {
    const Seen seen = look_for(*store, i);
    EXPECT_NE(seen, Seen::kWrong) << i;
    if (all_found && acknowledged.found.contains(i)) EXPECT_EQ(seen, Seen::kThere) << i;
    if (acknowledged.erased.contains(i)) EXPECT_EQ(seen, Seen::kAbsent) << i;
  }
}

class DiskStoreFaultTest : public testing::TestWithParam<std::tuple<FileCall, StatusCode>> {};

INSTANTIATE_TEST_SUITE_P(Each, DiskStoreFaultTest,
                         testing::Combine(testing::ValuesIn(kFileCalls),
                                          testing::Values(StatusCode::kInternal,
                                                          StatusCode::kResourceExhausted)));

TEST_P(DiskStoreFaultTest, AnyOneCallMayFail) {
  const auto [call, code] = GetParam();
  uint64_t calls = 1;
  for (uint64_t nth = 1; nth <= calls; nth += 1 + calls / 40) {
    SCOPED_TRACE(nth);
    TestStore store;
    store.open();
    store.faults->fail(call, nth, code);
    const uint64_t before = store.faults->call_count(call);
    const Acknowledged acknowledged = exercise(store);
    calls = std::max(calls, store.faults->call_count(call) - before);
    const bool failed = store.faults->failed_count() > 0;
    store.faults->heal();
    // A segment whose copying failed is given up where something in it had to be erased.
    const bool all_found = !failed || store->counts().evicted_count == 0;
    expect_acknowledged(store, acknowledged, all_found && call != FileCall::kRead);
    expect_usable(store);
    store.open();
    expect_acknowledged(store, acknowledged, all_found && call != FileCall::kRead);
    expect_usable(store);
  }
}

TEST_P(DiskStoreFaultTest, AllCallsMayFailForAWhile) {
  const auto [call, code] = GetParam();
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(500).view()).ok());
  ASSERT_TRUE(store->flush().ok());
  store.faults->fail(call, 1, code, 1'000'000);
  const Acknowledged acknowledged = exercise(store);
  store.faults->heal();
  for (const uint64_t i : acknowledged.erased) EXPECT_EQ(look_for(*store, i), Seen::kAbsent);
  expect_usable(store);
  store.open();
  for (uint64_t i = 0; i < kNumbers; ++i) EXPECT_NE(look_for(*store, i), Seen::kWrong);
  expect_usable(store);
}

TEST(DiskStoreDamageTest, AFullDiskLosesNothingAndIsUsedAgain) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.faults->fail(FileCall::kWrite, 1, StatusCode::kResourceExhausted, 1'000'000);
  for (uint64_t i = 10; i < 15; ++i)
    EXPECT_EQ(store->put(sample(i).view()).code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(store->find(name_of(12)));
  EXPECT_EQ(store->counts().write_error_count, 5U);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere);
  store.faults->heal();
  for (uint64_t i = 10; i < 20; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.open();
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere);
}

// The system says once that data did not reach the disk, and then forgets them: so they are written anew.
TEST(DiskStoreDamageTest, WhatCouldNotBeMadeDurableIsWrittenAnew) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.faults->fail(FileCall::kSync, 1, StatusCode::kInternal);
  const std::string suspect = store.files().front();
  EXPECT_FALSE(store->flush().ok());
  EXPECT_EQ(store->counts().sync_error_count, 1U);
  EXPECT_TRUE(store->flush().ok());
  EXPECT_FALSE(std::filesystem::exists(suspect));
  EXPECT_GT(store->counts().copied_bytes, 0U);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere);
}

// No memory, or no descriptor, says nothing of what could not be read with it.
TEST(DiskStoreDamageTest, WhatCannotBeReadForWantOfMemoryIsNotLost) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  ASSERT_TRUE(store->pin(name_of(2)).ok());
  store.faults->fail(FileCall::kRead, 1, StatusCode::kResourceExhausted, 1'000'000);
  EXPECT_EQ(store->erase(name_of(0)).status().code(), StatusCode::kResourceExhausted);
  store.faults->heal();
  for (uint64_t i = 1; i < 5; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i;
  EXPECT_TRUE(store->erase(name_of(0)).ok());
  EXPECT_FALSE(store.holds_bytes(name_of(0)));
}

// A run that is killed leaves records to the system; found at the next start, they count as kept, so they are made durable.
TEST(DiskStoreDamageTest, WhatAnEarlierRunLeftIsMadeDurableAtTheStart) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  const uint64_t before = store.faults->call_count(FileCall::kSync);
  const size_t segments = store.files().size();
  store.close();
  const uint64_t closed = store.faults->call_count(FileCall::kSync);
  ASSERT_GE(closed, before);
  store.open();
  EXPECT_GE(store.faults->call_count(FileCall::kSync), closed + segments);
}

// A record that was damaged is written again behind itself, in the same file: that one is found.
TEST(DiskStoreDamageTest, TheLaterOfTwoCopiesIsFound) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.close();
  auto bytes = file_content(store.files().at(0));
  const auto slice = sample(1).slices()[0];
  const auto at = std::ranges::search(bytes, std::span(slice).first(16)).begin();
  ASSERT_NE(at, bytes.end());
  *at ^= std::byte{1};
  write_file(store.files().at(0), bytes);
  store.open();
  EXPECT_EQ(look_for(*store, 1), Seen::kAbsent);
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  store.open();
  EXPECT_EQ(store.files().size(), 1U);
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
}

// Where the system fails at several, each is read by itself, and a damaged one is told as such.
TEST(DiskStoreDamageTest, ADamagedRecordIsFoundAmongSeveralThatAreReadAgain) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.close();
  auto bytes = file_content(store.files().at(0));
  const auto damaged = sample(1).slices()[0];
  const auto at = std::ranges::search(bytes, std::span(damaged).first(16)).begin();
  ASSERT_NE(at, bytes.end());
  *at ^= std::byte{1};
  write_file(store.files().at(0), bytes);
  store.open();
  std::vector<RecordReader> readers;
  std::vector<std::vector<std::byte>> to;
  std::vector<SliceRead> slices;
  for (uint64_t i = 0; i < 3; ++i) {
    readers.push_back(store->look_at(name_of(i)).value());
    to.emplace_back(sample(i).slices()[0].size());
  }
  for (auto& bytes_of_one : to) slices.push_back({.slice = 0, .to = bytes_of_one});
  std::vector<RecordRead> reads;
  for (size_t i = 0; i < 3; ++i) {
    reads.push_back({.reader = &readers[i], .slices = std::span(&slices[i], 1), .status = {}});
  }
  store.faults->fail(FileCall::kRead, 1, StatusCode::kInternal);
  RecordReader::read_together(reads);
  for (const size_t good : {0U, 2U}) {
    EXPECT_TRUE(reads[good].status.ok()) << reads[good].status.message();
    EXPECT_EQ(to[good], sample(good).slices()[0]);
  }
  EXPECT_EQ(reads[1].status.code(), StatusCode::kInvalidData);
  EXPECT_EQ(look_for(*store, 1), Seen::kAbsent);
}

TEST(DiskStoreDamageTest, ARecordThatCannotBeReadIsAMissAndACount) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  ASSERT_TRUE(store->put(sample(2).view()).ok());
  auto reader = store->open_record(name_of(1));
  ASSERT_TRUE(reader.ok());
  store.faults->fail(FileCall::kRead, 1, StatusCode::kInternal);
  std::vector<std::byte> slice(sample(1).slices()[0].size());
  EXPECT_EQ(reader->read_slice(0, slice).code(), StatusCode::kInvalidData);
  EXPECT_FALSE(store->find(name_of(1)));
  EXPECT_EQ(store->counts().read_error_count, 1U);
  EXPECT_EQ(look_for(*store, 2), Seen::kThere);
  EXPECT_TRUE(store->put(sample(1).view()).ok());
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
}

// Bytes flipped and files cut while the store is closed, in every kind of place: header, fronts, payload, footer,
// trailer, the file of uses. The records that are not hit are found; those that are, are absent.
TEST(DiskStoreDamageTest, FlippedBytesAreMisses) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 12; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  ASSERT_TRUE(store->pin(name_of(1)).ok());
  store.close();
  const std::string path = store.files().front();
  for (const std::string& damaged : {path, store.folder() + "/usage"}) {
    const std::vector<std::byte> whole = file_content(damaged);
    const size_t step = std::max<size_t>(whole.size() / 150, 1);
    for (size_t at = 0; at < whole.size(); at += step) {
      std::vector<std::byte> bytes = whole;
      bytes[at] ^= std::byte{0x20};
      write_file(damaged, bytes);
      store.open();
      uint64_t there = 0;
      for (uint64_t i = 0; i < 12; ++i) {
        const Seen seen = look_for(*store, i);
        ASSERT_NE(seen, Seen::kWrong) << damaged << " " << at << " " << i;
        there += seen == Seen::kThere ? 1 : 0;
      }
      EXPECT_GE(there, 11U) << damaged << " " << at;
      store.close();
      write_file(damaged, whole);
    }
  }
}

TEST(DiskStoreDamageTest, ScrubbingFindsEveryDamagedRecord) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 12; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.close();
  std::vector<std::byte> bytes = file_content(store.files().front());
  for (const uint64_t i : {3, 8}) {
    const SampleRecord record = sample(i);
    const auto at = std::ranges::search(bytes, record.slices().back()).begin();
    ASSERT_NE(at, bytes.end());
    *at ^= std::byte{1};
  }
  write_file(store.files().front(), bytes);
  store.open();
  EXPECT_EQ(store->counts().record_count, 12U);
  const auto report = store->verify([](uint64_t, uint64_t) { return true; });
  EXPECT_EQ(report.checked_count, 12U);
  EXPECT_EQ(report.bad.size(), 2U);
  EXPECT_EQ(store->counts().bad_record_count, 2U);
  EXPECT_EQ(store->counts().record_count, 10U);
  EXPECT_FALSE(store->find(name_of(3)));
  EXPECT_FALSE(store->find(name_of(8)));
}

TEST(DiskStoreDamageTest, CutFilesLoseTheirTailAlone) {
  constexpr uint64_t kRecords = 8;  // in one segment
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < kRecords; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.close();
  ASSERT_EQ(store.files().size(), 1U);
  const std::string path = store.files().front();
  const std::vector<std::byte> whole = file_content(path);
  for (size_t bytes = 0; bytes < whole.size(); bytes += 5 * kRecordAlignment / 2) {
    write_file(path, std::span(whole).first(bytes));
    store.open();
    bool absent = false;
    size_t whole_bytes = kSegmentHeaderBytes;
    for (uint64_t i = 0; i < kRecords; ++i) {
      const Seen seen = look_for(*store, i);
      ASSERT_NE(seen, Seen::kWrong);
      EXPECT_FALSE(absent && seen == Seen::kThere) << bytes << " " << i;
      absent = absent || seen == Seen::kAbsent;
      if (seen == Seen::kThere) whole_bytes += sample(i).encoded().size();
    }
    if (whole_bytes > kSegmentHeaderBytes) EXPECT_EQ(file_content(path).size(), whole_bytes);
    expect_usable(store);
    store.close();
    for (const std::string& file : store.files()) std::filesystem::remove(file);
  }
}

// A file that another process overwrites while the store is open.
TEST(DiskStoreDamageTest, FilesThatChangeUnderneathAreMisses) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 12; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  std::filesystem::resize_file(store.files().front(), 3 * kRecordAlignment);
  for (uint64_t i = 0; i < 12; ++i) EXPECT_NE(look_for(*store, i), Seen::kWrong);
  EXPECT_GT(store->counts().bad_record_count, 8U);
  expect_usable(store);
}

}  // namespace
}  // namespace cairn
