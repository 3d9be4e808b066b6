// The disk store's bound on bytes, what leaves first, and that what was erased is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "store/disk_store_eviction.h"
#include "store/disk_store_testing.h"

namespace cairn {
namespace {

StoredRecord stored(uint64_t number, uint64_t last_used_ms, uint32_t hits, uint64_t blocks) {
  StoredRecord record;
  record.name = name_of(number);
  record.last_used_ms = last_used_ms;
  record.hits = hits;
  record.bytes = blocks * kRecordAlignment;
  return record;
}

TEST(EvictionTest, TheOldUnusedAndLargeLeaveFirst) {
  const uint64_t now = 10'000;
  std::vector<StoredRecord> records = {
      stored(0, 9'000, 0, 10),  // 1001 * 10
      stored(1, 9'000, 9, 10),  // a tenth of it
      stored(2, 9'000, 0, 20),  // twice
      stored(3, 0, 0, 10),      // ten times
      stored(4, 20'000, 0, 10)  // later than now
  };
  records.push_back(stored(5, 0, 0, 1000));
  records.back().is_pinned = true;
  EXPECT_EQ(eviction_rank(records[0], now), 10'010U);
  EXPECT_EQ(eviction_rank(records[1], now), 1'001U);
  EXPECT_EQ(eviction_rank(records[4], now), 10U);
  const auto order = eviction_order(records, now);
  ASSERT_EQ(order.size(), 5U);
  const uint64_t expected[] = {3, 2, 0, 1, 4};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(order[i].name, name_of(expected[i])) << i;
}

TEST(EvictionTest, NoRankOverflows) {
  EXPECT_GT(eviction_rank(stored(1, 0, 0, uint64_t{1} << 40), ~uint64_t{0}), uint64_t{1} << 62);
  EXPECT_EQ(eviction_rank(stored(1, 0, ~uint32_t{0}, 1), 0), 0U);
}

TEST(DiskStoreRoomTest, TheFilesNeverOutgrowTheirBound) {
  TestStore store(8);
  store.open();
  const uint64_t most = store.options.size_bytes + kTestSegmentBytes;
  for (uint64_t i = 0; i < 500; ++i) {
    *store.now_ms += 1000;
    ASSERT_TRUE(store->put(sample(i).view()).ok()) << i;
    ASSERT_LE(store.file_bytes(), most) << i;
    ASSERT_LE(store->counts().disk_bytes, most) << i;
    ASSERT_EQ(look_for(*store, i), Seen::kThere) << i;
    if (i % 3 == 0 && i > 20) (void)look_for(*store, i - 20);
  }
  const DiskStoreCounts counts = store->counts();
  EXPECT_GT(counts.evicted_count, 100U);
  EXPECT_GT(counts.live_bytes, store.options.size_bytes / 2) << "it is used, too";
  EXPECT_EQ(counts.bad_record_count, 0U);
  store.open();
  EXPECT_LE(store.file_bytes(), most);
}

TEST(DiskStoreRoomTest, PinnedAndUsedRecordsStay) {
  TestStore store(8);
  store.open();
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  ASSERT_TRUE(store->pin(name_of(3)).ok());
  for (uint64_t i = 100; i < 400; ++i) {
    *store.now_ms += 1000;
    ASSERT_TRUE(store->put(sample(i).view()).ok()) << i;
    EXPECT_EQ(look_for(*store, 5), Seen::kThere) << i;
  }
  EXPECT_EQ(look_for(*store, 3), Seen::kThere);
  EXPECT_EQ(look_for(*store, 4), Seen::kAbsent);
  store.open();
  EXPECT_EQ(look_for(*store, 3), Seen::kThere);
  EXPECT_TRUE(store->find(name_of(3))->is_pinned);
}

TEST(DiskStoreRoomTest, WhereEverythingIsPinnedAPutSaysSo) {
  TestStore store(16);
  store.open();
  for (uint64_t i = 0; i < 60; ++i) {
    ASSERT_TRUE(store->put(sample(i).view()).ok());
    ASSERT_TRUE(store->pin(name_of(i)).ok());
  }
  ASSERT_GT(store.file_bytes(), 4 * kTestSegmentBytes);
  store.options.size_bytes = 4 * kTestSegmentBytes;
  store.open();
  const Status status = store->put(sample(1000).view());
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find(store.folder()), std::string::npos);
  for (uint64_t i = 0; i < 60; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i;
  for (uint64_t i = 0; i < 60; ++i) ASSERT_TRUE(store->unpin(name_of(i)).ok());
  EXPECT_TRUE(store->put(sample(1000).view()).ok()) << "there is something to evict again";
}

TEST(DiskStoreRoomTest, OpenedWithLessItShrinks) {
  TestStore store(32);
  store.open();
  for (uint64_t i = 0; i < 350; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  ASSERT_GT(store.file_bytes(), 20 * kTestSegmentBytes);
  store.options.size_bytes = 8 * kTestSegmentBytes;
  store.open();
  ASSERT_TRUE(store->put(sample(1000).view()).ok());  // waits until there is room
  EXPECT_LE(store.file_bytes(), 9 * kTestSegmentBytes);
  EXPECT_EQ(look_for(*store, 1000), Seen::kThere);
}

// Of a folder whose segments were larger, with records that are larger than a segment is now.
TEST(DiskStoreRoomTest, RecordsOfLargerSegmentsAreCopiedAndLeave) {
  TestStore store(32);
  store.options.segment_bytes = 4 * kTestSegmentBytes;
  store.open();
  for (uint64_t i = 0; i < 12; ++i) {
    ASSERT_TRUE(store->put(SampleRecord(i, {300 << 10, 200 << 10}, i % 2).view()).ok());
  }
  store.options.segment_bytes = kTestSegmentBytes;
  store.open();
  const auto erased = store->erase_owner(owner_of(1));
  ASSERT_TRUE(erased.ok()) << erased.status().message();
  EXPECT_EQ(*erased, 6U);
  for (uint64_t i = 0; i < 12; i += 2) {
    EXPECT_EQ(look_for(*store, SampleRecord(i, {300 << 10, 200 << 10}, 0)), Seen::kThere) << i;
  }
  store.options.size_bytes = 10 * kTestSegmentBytes;
  store.open();
  for (uint64_t i = 100; i < 140; ++i) EXPECT_TRUE(store->put(sample(i).view()).ok()) << i;
}

// One segment is as large as the whole store may be now: what is in it leaves, and new records come.
TEST(DiskStoreRoomTest, ASegmentThatIsTooLargeToBeCopiedGivesWay) {
  TestStore store(64);
  store.options.segment_bytes = 16 * kTestSegmentBytes;
  store.open();
  for (uint64_t i = 0; i < 150; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.options.size_bytes = 16 * kTestSegmentBytes;
  store.options.segment_bytes = kTestSegmentBytes;
  store.open();
  for (uint64_t i = 200; i < 400; ++i) EXPECT_TRUE(store->put(sample(i).view()).ok()) << i;
  EXPECT_EQ(look_for(*store, 399), Seen::kThere);
}

// What was put last is durable soon, though nothing follows it.
TEST(DiskStoreRoomTest, NothingIsLeftUndurableForLong) {
  TestStore store;
  store.options.sync_every_ms = 20;
  store.open();
  const uint64_t before = store.faults->call_count(FileCall::kSync);
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  for (int i = 0; i < 2000 && store.faults->call_count(FileCall::kSync) == before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_GT(store.faults->call_count(FileCall::kSync), before);
}

// Of records that are used together, those that count as older leave first, also after a restart.
TEST(DiskStoreRoomTest, WhatCountsAsOlderLeavesFirst) {
  TestStore store(8);
  *store.now_ms = uint64_t{1} << 40;
  store.open();
  for (uint64_t i = 0; i < 60; ++i) {
    ASSERT_TRUE(store->put(SampleRecord(i, {20 << 10}).view(), i * 60'000).ok());
    *store.now_ms += 1000;
  }
  store.open();
  for (uint64_t i = 1000; i < 1060; ++i) {
    ASSERT_TRUE(store->put(SampleRecord(i, {20 << 10}).view(), 30 * 60'000).ok());
  }
  ASSERT_GT(store->counts().evicted_count, 10U);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(store->find(name_of(i)).has_value()) << i;
  EXPECT_FALSE(store->find(name_of(59)).has_value());
}

// Somebody's own files may have names like a store's.
TEST(DiskStoreRoomTest, AFolderOfOtherFilesIsLeftAsItIs) {
  const TemporaryFolder folder;
  const std::string home = folder.at("home");
  std::filesystem::create_directory(home);
  std::filesystem::permissions(home, std::filesystem::perms::owner_all);
  for (const char* name : {"lock", "probe", "usage", "usage.partial"}) {
    write_file(home + "/" + name, std::as_bytes(std::span("mine", 4)));
    const auto store = DiskStore::open({.folder = home, .size_bytes = 64 << 20});
    EXPECT_EQ(store.status().code(), StatusCode::kInvalidArgument) << name;
  }
  for (const char* name : {"lock", "probe", "usage", "usage.partial"}) {
    EXPECT_EQ(file_content(home + "/" + name).size(), 4U) << name;
  }
}

TEST(DiskStoreRoomTest, AClockThatJumpsLosesNothing) {
  TestStore store;
  store.open();
  uint64_t next = 0;
  for (const uint64_t now : {uint64_t{1'000'000'000'000}, uint64_t{5}, uint64_t{1} << 62, uint64_t{0}}) {
    *store.now_ms = now;
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(store->put(sample(next++).view()).ok());
    for (uint64_t i = 0; i < next; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i << " at " << now;
    store.open();
  }
  for (; next < 500; ++next) {
    *store.now_ms = next % 2 == 0 ? 1000 : uint64_t{1} << 40;
    ASSERT_TRUE(store->put(sample(next).view()).ok());
  }
  EXPECT_LE(store.file_bytes(), 17 * kTestSegmentBytes);
  EXPECT_EQ(look_for(*store, 499), Seen::kThere);
}

TEST(DiskStoreRoomTest, ErasedBytesAreInNoFile) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 60; ++i) ASSERT_TRUE(store->put(sample(i, i % 4).view()).ok());
  ASSERT_TRUE(store->pin(name_of(7)).ok());
  ASSERT_TRUE(store.holds_bytes(std::span(sample(7).slices()[0]).first(16)))
      << "the search finds what is there";
  const auto erased = store->erase(name_of(7));
  ASSERT_TRUE(erased.ok()) << erased.status().message();
  EXPECT_EQ(*erased, 1U);
  EXPECT_FALSE(store.holds_bytes(name_of(7)));
  EXPECT_FALSE(store.holds_bytes(sample(7).head()));
  const SampleRecord seventh = sample(7);
  for (const auto& slice : seventh.slices()) {
    if (slice.size() >= 16) EXPECT_FALSE(store.holds_bytes(std::span(slice).first(16)));
  }
  const auto of_owner = store->erase_owner(owner_of(2));
  ASSERT_TRUE(of_owner.ok());
  EXPECT_EQ(*of_owner, 15U);
  EXPECT_FALSE(store.holds_bytes(owner_of(2)));
  for (uint64_t i = 0; i < 60; ++i) {
    const bool gone = i == 7 || i % 4 == 2;
    EXPECT_EQ(look_for(*store, sample(i, i % 4)), gone ? Seen::kAbsent : Seen::kThere) << i;
    if (gone) EXPECT_FALSE(store.holds_bytes(sample(i).head())) << i;
  }
  EXPECT_EQ(*store->erase(name_of(7)), 0U);
  store.open();
  EXPECT_EQ(store->counts().record_count, 44U);
  EXPECT_EQ(look_for(*store, 7), Seen::kAbsent);
}

// Evicted records are in the files until their segment is written anew: erasing their owner must find them, too.
TEST(DiskStoreRoomTest, ErasingFindsWhatNobodyFindsAnyMore) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(store->put(sample(i, i % 2).view()).ok());
  store.faults->fail(FileCall::kRead, 1, StatusCode::kInternal);
  EXPECT_EQ(look_for(*store, sample(4)), Seen::kAbsent) << "it cannot be read, so it is dropped";
  EXPECT_TRUE(store.holds_bytes(sample(4).head()));
  ASSERT_TRUE(store->erase_owner(owner_of(0)).ok());
  EXPECT_FALSE(store.holds_bytes(sample(4).head()));
  EXPECT_EQ(look_for(*store, sample(5, 1)), Seen::kThere);
}

// A damaged front hides whose the record was. Erasing anybody's records erases it.
TEST(DiskStoreRoomTest, ErasingTakesBytesOfUnknownOwners) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(store->put(sample(i, i % 2).view()).ok());
  store.close();
  std::vector<std::byte> bytes = file_content(store.files().front());
  const SampleRecord second = sample(2);
  const auto at = std::ranges::search(bytes, second.head()).begin();
  ASSERT_NE(at, bytes.end());
  at[3] ^= std::byte{1};                              // the front of record 2
  bytes.resize(bytes.size() - kSegmentTrailerBytes);  // and no footer
  write_file(store.files().front(), bytes);
  store.open();
  EXPECT_EQ(look_for(*store, sample(2)), Seen::kAbsent);
  EXPECT_EQ(look_for(*store, sample(3, 1)), Seen::kThere);
  ASSERT_TRUE(store.holds_bytes(second.slices().back()));
  ASSERT_TRUE(store->erase_owner(owner_of(0)).ok());
  EXPECT_FALSE(store.holds_bytes(second.slices().back()));
  EXPECT_EQ(look_for(*store, sample(3, 1)), Seen::kThere);
}

// A reader keeps its segment readable while everything around it is evicted and rewritten.
TEST(DiskStoreRoomTest, AReaderOutlivesItsSegment) {
  TestStore store(8);
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  auto reader = store->open_record(name_of(1));
  ASSERT_TRUE(reader.ok());
  for (uint64_t i = 100; i < 400; ++i) {
    *store.now_ms += 1000;
    ASSERT_TRUE(store->put(sample(i).view()).ok()) << i;
  }
  EXPECT_FALSE(store->find(name_of(1)));
  std::vector<std::byte> slice(sample(1).slices()[1].size());
  ASSERT_TRUE(reader->read_slice(1, slice).ok());
  EXPECT_EQ(slice, sample(1).slices()[1]);
  EXPECT_EQ(store->counts().bad_record_count, 0U);
}

// While one thread hangs in making data durable, others find and read.
TEST(DiskStoreRoomTest, ReadersDoNotWaitForTheDiskToBeDurable) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  std::latch hangs(1);
  std::latch goes_on(1);
  store.faults->before([&](FileCall call) {
    if (call != FileCall::kSync) return;
    hangs.count_down();
    goes_on.wait();
  });
  std::thread flusher([&] { EXPECT_TRUE(store->flush().ok()); });
  hangs.wait();
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  EXPECT_TRUE(store->put(sample(2).view()).ok()) << "nor do writers";
  EXPECT_EQ(look_for(*store, 2), Seen::kThere);
  store.faults->before(nullptr);
  goes_on.count_down();
  flusher.join();
}

// While records are copied out of a segment, readers of that very segment read.
TEST(DiskStoreRoomTest, ReadersDoNotWaitForCopying) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 6; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  std::latch hangs(1);
  std::latch goes_on(1);
  std::atomic<std::thread::id> eraser_id;
  store.faults->before([&](FileCall call) {
    if (call != FileCall::kWrite || std::this_thread::get_id() != eraser_id.load()) return;
    if (!hangs.try_wait()) hangs.count_down();
    goes_on.wait();
  });
  std::thread eraser([&] {
    eraser_id = std::this_thread::get_id();
    EXPECT_TRUE(store->erase(name_of(0)).ok());
  });
  hangs.wait();
  for (uint64_t i = 1; i < 6; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i;
  EXPECT_EQ(look_for(*store, 0), Seen::kAbsent);
  goes_on.count_down();
  eraser.join();
  store.faults->before(nullptr);
  for (uint64_t i = 1; i < 6; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i;
}

}  // namespace
}  // namespace cairn
