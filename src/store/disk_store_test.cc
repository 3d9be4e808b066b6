#include "store/disk_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "store/disk_store_testing.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
  struct stat facts{};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 07777;
}

TEST(DiskStoreTest, WhatWasPutIsFoundAtOnceAndAfterARestart) {
  for (const FileIo io : {FileIo::kPlain, FileIo::kAuto}) {
    TestStore store;
    store.options.io = io;
    store.open();
    for (uint64_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(store->put(sample(i).view()).ok());
      const auto found = store->find(name_of(i));
      ASSERT_TRUE(found);
      EXPECT_EQ(found->head_bytes, sample(i).head().size());
      EXPECT_EQ(found->slice_bytes->size(), i % 5 + 1);
      EXPECT_EQ(look_for(*store, i), Seen::kThere) << i << " " << store->describe_io();
    }
    EXPECT_FALSE(store->find(name_of(99)));
    EXPECT_EQ(store->open_record(name_of(99)).status().code(), StatusCode::kNotFound);
    store.open();
    EXPECT_EQ(store->counts().record_count, 20U);
    for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i;
    EXPECT_EQ(store->counts().bad_record_count, 0U);
  }
}

TEST(DiskStoreTest, AFolderOfOthersFilesIsLeftAsItIs) {
  const TemporaryFolder folder;
  const std::string shared = folder.at("shared");
  ASSERT_EQ(::mkdir(shared.c_str(), 0755), 0);
  folder.write("shared/letter.txt", std::string_view("mine"));
  const auto refused = DiskStore::open({.folder = shared, .size_bytes = 64 << 20});
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(mode_of(shared), 0755U);
  fs::remove(shared + "/letter.txt");
  EXPECT_TRUE(DiskStore::open({.folder = shared, .size_bytes = 64 << 20}).ok());
  EXPECT_EQ(mode_of(shared), 0700U);
}

TEST(DiskStoreTest, SlicesAreReadAloneInAnyOrder) {
  TestStore store;
  store.open();
  const SampleRecord record(1, {5000, 1, 9000, 0, 300'00});
  ASSERT_TRUE(store->put(record.view()).ok());
  auto reader = store->open_record(name_of(1));
  ASSERT_TRUE(reader.ok());
  for (const size_t i : {4, 0, 3, 2, 1, 2}) {
    std::vector<std::byte> slice(record.slices()[i].size());
    ASSERT_TRUE(reader->read_slice(i, slice).ok());
    EXPECT_EQ(slice, record.slices()[i]);
  }
  std::vector<std::byte> first(5000), third(9000);
  const SliceRead reads[] = {{2, third}, {0, first}};
  ASSERT_TRUE(reader->read_slices(reads).ok());
  EXPECT_EQ(first, record.slices()[0]);
  EXPECT_EQ(third, record.slices()[2]);
  EXPECT_EQ(reader->read_slice(5, first).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(reader->read_slice(1, first).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(reader->read_head(first).code(), StatusCode::kInvalidArgument);
}

TEST(DiskStoreTest, OneSliceIsReadWithoutTheOthers) {
  TestStore store;
  store.open();
  const SampleRecord record(1, {20'000, 20'000, 20'000, 20'000});
  ASSERT_TRUE(store->put(record.view()).ok());
  auto reader = store->open_record(name_of(1));
  ASSERT_TRUE(reader.ok());
  std::vector<std::byte> slice(20'000);
  ASSERT_TRUE(reader->read_slice(3, slice).ok());
  EXPECT_EQ(store.faults->read_bytes(), kRecordAlignment + 20'480);  // and the front, once
  ASSERT_TRUE(reader->read_slice(1, slice).ok());
  EXPECT_EQ(store.faults->read_bytes(), kRecordAlignment + 2 * 20'480);
}

TEST(DiskStoreTest, FindingReadsNothing) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  const uint64_t calls = store.faults->call_count(FileCall::kRead);
  EXPECT_TRUE(store->find(name_of(1)));
  EXPECT_TRUE(store->open_record(name_of(1)).ok());
  EXPECT_EQ(store.faults->call_count(FileCall::kRead), calls);
}

TEST(DiskStoreTest, PuttingWhatIsThereWritesNothing) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  const uint64_t calls = store.faults->call_count(FileCall::kWrite);
  *store.now_ms += 500;
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  EXPECT_EQ(store.faults->call_count(FileCall::kWrite), calls);
  EXPECT_EQ(store->counts().known_count, 1U);
  EXPECT_EQ(store->find(name_of(1))->last_used_ms, store.now_ms->load());
  EXPECT_EQ(store->find(name_of(1))->hits, 1U);
}

TEST(DiskStoreTest, RecordsThatAreTooLargeAreRefused) {
  TestStore store;
  store.open();
  const Status too_large = store->put(SampleRecord(1, {kTestSegmentBytes}).view());
  EXPECT_EQ(too_large.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(too_large.message().find("too large"), std::string::npos);
  // The largest that fits: a header, a front and a footer of two blocks beside it.
  EXPECT_TRUE(store->put(SampleRecord(2, {kTestSegmentBytes - 4 * kRecordAlignment}).view()).ok());
  EXPECT_EQ(store->put(SampleRecord(3, {kTestSegmentBytes - 4 * kRecordAlignment + 1}).view()).code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(store->put(SampleRecord(4, {kTestSegmentBytes - 4 * kRecordAlignment}).view()).ok());
  EXPECT_FALSE(DiskStore::open({.folder = store.folder() + "2", .size_bytes = 1000}).ok());
}

TEST(DiskStoreTest, FolderAndFilesAreTheOwnersAlone) {
  TestStore store;
  fs::create_directory(store.folder());
  fs::permissions(store.folder(), fs::perms::all);
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  ASSERT_TRUE(store->pin(name_of(1)).ok());
  EXPECT_EQ(mode_of(store.folder()), 0700U);
  for (const auto& file : fs::directory_iterator(store.folder())) {
    EXPECT_EQ(mode_of(file.path().string()), 0600U) << file.path();
  }
  const std::string segment = store.files().front();
  store.close();
  ASSERT_EQ(::chmod(segment.c_str(), 0644), 0);
  store.open();
  EXPECT_EQ(mode_of(segment), 0600U);
}

TEST(DiskStoreTest, FoldersThatAreNoneOfOursAreRefused) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& path) {
    const auto opened = DiskStore::open({.folder = path, .size_bytes = 16 << 20});
    EXPECT_EQ(opened.status().code(), StatusCode::kInvalidArgument);
    return opened.status().message();
  };
  EXPECT_NE(refusal(folder.write("file", "text")).find("no folder"), std::string::npos);
  EXPECT_NE(refusal(folder.at("file/below")).find("file/below"), std::string::npos);
  EXPECT_FALSE(refusal("").empty());
  if (::geteuid() == 0) {  // only root may give a folder away, and may write where nobody else can
    fs::create_directory(folder.at("theirs"));
    ASSERT_EQ(::chown(folder.at("theirs").c_str(), 1, 1), 0);
    EXPECT_NE(refusal(folder.at("theirs")).find("another user"), std::string::npos);
  }
}

TEST(DiskStoreTest, UsesAndPinsOutliveARestart) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  *store.now_ms += 7000;
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  ASSERT_TRUE(store->pin(name_of(2)).ok());
  EXPECT_EQ(store->pin(name_of(9)).code(), StatusCode::kNotFound);
  *store.now_ms += 10;
  store.open();
  EXPECT_EQ(store->find(name_of(1))->hits, 2U);
  EXPECT_EQ(store->find(name_of(1))->last_used_ms, 1'007'000U);
  EXPECT_EQ(store->find(name_of(0))->last_used_ms, 1'000'000U) << "when it was put";
  EXPECT_TRUE(store->find(name_of(2))->is_pinned);
  EXPECT_EQ(store->counts().pinned_count, 1U);
  ASSERT_TRUE(store->unpin(name_of(2)).ok());
  store.open();
  EXPECT_FALSE(store->find(name_of(2))->is_pinned);
}

TEST(DiskStoreTest, AClockThatGoesBackHarmsNothing) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  *store.now_ms = 10;
  ASSERT_TRUE(store->put(sample(2).view()).ok());
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  *store.now_ms = 5;
  store.open();
  for (const uint64_t i : {1, 2}) {
    EXPECT_LE(store->find(name_of(i))->last_used_ms, 5U);
    EXPECT_EQ(look_for(*store, i), Seen::kThere);
  }
}

TEST(DiskStoreTest, ForeignFilesAreLeftAlone) {
  TestStore store;
  store.open();
  ASSERT_TRUE(store->put(sample(1).view()).ok());
  store.close();
  const std::vector<std::string> names = {"notes.txt", "segment-1.cairn", "segment-00000000000000zz.cairn",
                                          "segment-0000000000000001.cairn.bak",
                                          "segment-ffffffffffffffff.cairn"};
  for (const std::string& name : names) write_file(store.folder() + "/" + name, some_bytes(1, 2, 9000));
  fs::create_directory(store.folder() + "/segment-00000000000000aa.cairn");
  fs::create_symlink("notes.txt", store.folder() + "/segment-00000000000000ab.cairn");
  store.open();
  EXPECT_EQ(store->counts().foreign_count, names.size() + 2);
  EXPECT_EQ(look_for(*store, 1), Seen::kThere);
  ASSERT_TRUE(store->erase(name_of(1)).ok());
  for (const std::string& name : names) EXPECT_EQ(file_content(store.folder() + "/" + name).size(), 9000U);
}

TEST(DiskStoreTest, ListAndVerifySeeEveryRecord) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 30; ++i) ASSERT_TRUE(store->put(sample(i, i % 3).view()).ok());
  std::map<RecordName, OwnerTag> seen;
  store->list([&](const StoredRecord& record) { seen.emplace(record.name, record.owner); });
  EXPECT_EQ(seen.size(), 30U);
  EXPECT_EQ(seen.at(name_of(4)), owner_of(1));
  uint64_t calls = 0;
  const auto report = store->verify([&](uint64_t done, uint64_t of) {
    EXPECT_EQ(done, calls++);
    EXPECT_EQ(of, 30U);
    return true;
  });
  EXPECT_TRUE(report.is_complete);
  EXPECT_EQ(report.checked_count, 30U);
  EXPECT_EQ(report.bad.size(), 0U);
  EXPECT_FALSE(store->verify([](uint64_t done, uint64_t) { return done < 3; }).is_complete);
}

// 50 GiB in blocks of 720 KiB are 73,000 records; a footer's entry is the same for small ones.
TEST(DiskStoreTest, AStartReadsFootersAndNoPayload) {
  TestStore store(64);
  store.open();
  for (uint64_t i = 0; i < 400; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.close();
  const uint64_t before = store.faults->read_bytes();
  const uint64_t calls = store.faults->call_count(FileCall::kRead);
  store.open();
  EXPECT_EQ(store->counts().record_count, 400U);
  const uint64_t segments = store.files().size();
  EXPECT_GT(segments, 20U);
  EXPECT_LE(store.faults->read_bytes() - before, segments * 2 * kRecordAlignment + (64 << 10));
  EXPECT_LE(store.faults->call_count(FileCall::kRead) - calls, 2 * segments + 1);
}

// After a crash the last segment has no footer; its records are found by their fronts.
TEST(DiskStoreTest, SegmentsWithoutFootersAreSearched) {
  TestStore store;
  store.open();
  for (uint64_t i = 0; i < 40; ++i) ASSERT_TRUE(store->put(sample(i).view()).ok());
  store.close();
  for (const std::string& path : store.files()) {
    const std::vector<std::byte> bytes = file_content(path);
    write_file(path, std::span(bytes).first(bytes.size() - kSegmentTrailerBytes));
  }
  store.open();
  EXPECT_EQ(store->counts().record_count, 40U);
  for (uint64_t i = 0; i < 40; ++i) EXPECT_EQ(look_for(*store, i), Seen::kThere) << i;
  ASSERT_TRUE(store->put(sample(41).view()).ok());
  store.open();
  EXPECT_EQ(store->counts().record_count, 41U);
}

// A start that puts little does not leave a file behind each time.
TEST(DiskStoreTest, RestartsGoOnInTheLastSegment) {
  TestStore store;
  for (uint64_t i = 0; i < 10; ++i) {
    store.open();
    ASSERT_TRUE(store->put(SampleRecord(i, {100}).view()).ok());
  }
  store.open();
  EXPECT_EQ(store.files().size(), 1U);
  EXPECT_EQ(store->counts().record_count, 10U);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_EQ(look_for(*store, SampleRecord(i, {100})), Seen::kThere) << i;
}

}  // namespace
}  // namespace cairn
